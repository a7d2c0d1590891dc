"""Action `clouds_yaml`: keeps one cloud's entry in a clouds.yaml on the deployment host and leaves the other entries alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.action import ActionBase

PRIVATE_MODE = 0o600


def merged(document: dict[str, Any], cloud: str, entry: dict[str, Any] | None) -> dict[str, Any]:
    """The document with the cloud's entry set, or without it when there is none."""
    clouds = {name: value for name, value in (document.get("clouds") or {}).items() if name != cloud}
    if entry is not None:
        clouds[cloud] = entry
    return {**document, "clouds": clouds}


def write_privately(path: Path, document: dict[str, Any]) -> None:
    """Replace the file in one step; it holds a password, so only its owner may read it."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        os.fchmod(descriptor, PRIVATE_MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yaml.safe_dump(document, file, sort_keys=False)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def plain(value: Any) -> Any:
    """The value without Ansible's own types, which a YAML writer does not know."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


class ActionModule(ActionBase):  # type: ignore[misc]
    """Arguments: `path`, `cloud` (its name), `entry` (what openstacksdk reads), `state` present or absent."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the file when it does not say so already; without any cloud left it is removed."""
        super().run(tmp, task_vars)
        arguments = self._task.args
        path, absent = Path(arguments["path"]).resolve(), arguments.get("state", "present") == "absent"
        before = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}
        after = merged(before, str(arguments["cloud"]), None if absent else plain(arguments["entry"]))
        unchanged = after == before or (absent and not path.exists())
        loose = path.exists() and path.stat().st_mode & 0o077 != 0
        if not self._task.check_mode and (loose or not unchanged):
            if after["clouds"]:
                write_privately(path, after)
            else:
                path.unlink(missing_ok=True)
        return {"changed": bool(loose or not unchanged)}
