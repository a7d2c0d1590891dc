"""Action `cloudd_release`: the module of that name, which gets the archive only when the host lacks the version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes the module's arguments; `archive` is a path on the deployment host."""

    TRANSFERS_FILES = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the host first; bring the archive, tens of megabytes, only on demand."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        archive = Path(arguments.pop("archive"))
        result = self._execute_module(module_args=arguments, task_vars=task_vars)
        if not result.pop("archive_needed", False):
            return dict(result)
        directory = self._connection._shell.tmpdir or self._make_tmp_path()
        remote = self._transfer_file(str(archive), self._connection._shell.join_path(directory, archive.name))
        try:
            return dict(self._execute_module(module_args={**arguments, "archive": remote}, task_vars=task_vars))
        finally:
            self._remove_tmp_path(directory)
