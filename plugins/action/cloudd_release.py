"""Action `cloudd_release`: the module of that name, which gets the archive only when the host lacks the version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes the module's arguments; `archive` is a path on the deployment host."""

    TRANSFERS_FILES = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the host first; bring the archive, tens of megabytes, only on demand."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        archive = Path(arguments.pop("archive", ""))
        result = self._execute_module(module_args=arguments, task_vars=task_vars)
        if not result.pop("archive_needed", False):
            return dict(result)
        directory = self._connection._shell.tmpdir or self._make_tmp_path()
        remote = self._connection._shell.join_path(directory, archive.name)
        self._bring(archive, remote, task_vars or {})
        try:
            return dict(self._execute_module(module_args={**arguments, "archive": remote}, task_vars=task_vars))
        finally:
            self._remove_tmp_path(directory)

    def _bring(self, archive: Path, remote: str, task_vars: dict[str, Any]) -> None:
        """Copy the archive to the host by OpenSSH itself: Mitogen's own way takes ten times as long for a large file."""
        if "ssh" not in str(self._connection.transport) or self._play_context.become:
            self._transfer_file(str(archive), remote)
            return
        # By its full name, for the short one is Mitogen's.
        native = connection_loader.get("ansible.builtin.ssh", self._play_context, new_stdin=None, task_uuid=self._task._uuid)
        names = constants.config.get_plugin_vars("connection", native._load_name)
        native.set_options(var_options={name: self._templar.template(task_vars[name]) for name in names if name in task_vars})
        native.put_file(str(archive), remote)
        native.close()
