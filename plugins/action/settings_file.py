"""Action `settings_file`: copies settings in YAML to a host, and shows in its diff what differs except secrets."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import yaml
from ansible.plugins.action import ActionBase

# Options of these names hold secrets, unless they tell where one lies.
SECRET = re.compile(r"(password|secret|token|key)s?$")
# A URL's password: amqps://user:PASSWORD@host
URL_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@/\s]+(?=@)")


def masked(settings: Any, name: str = "") -> Any:
    """The settings with a word in the place of each secret."""
    if isinstance(settings, Mapping):
        return {key: masked(value, str(key)) for key, value in settings.items()}
    if SECRET.search(name) and isinstance(settings, str | list):
        return "(a secret)"
    if isinstance(settings, list):
        return [masked(value, name) for value in settings]
    return URL_PASSWORD.sub(r"\1(a secret)", settings) if isinstance(settings, str) else settings


def told_apart(before: Any, after: Any, name: str = "") -> Any:
    """The masked settings, where a secret that is not the one it was is told so."""
    if isinstance(after, Mapping):
        former = before if isinstance(before, Mapping) else {}
        return {key: told_apart(former.get(key), value, str(key)) for key, value in after.items()}
    hidden = masked(after, name)
    changed = before is not None and before != after and masked(before, name) == hidden != after
    return str(hidden).replace("(a secret)", "(another secret)") if changed else hidden


def difference(before: str, after: str, path: str) -> dict[str, str]:
    """What Ansible shows of a change from one text to another; of a text that is no YAML, nothing."""
    try:
        old, new = yaml.safe_load(before) or {}, yaml.safe_load(after) or {}
    except yaml.YAMLError:
        return {"prepared": f"{path} is no YAML now\n"}
    texts = [yaml.safe_dump(settings, sort_keys=False) if settings else "" for settings in (masked(old), told_apart(old, new))]
    return {"before": texts[0], "after": texts[1], "before_header": path, "after_header": path}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes the arguments of M(ansible.builtin.copy); `content` is YAML. Returns what it returns, and `written`: paths that changed."""

    TRANSFERS_FILES = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Copy, and say what differs."""
        super().run(tmp, task_vars)
        path, content = str(self._task.args["dest"]), str(self._task.args["content"])
        before = self._present(path, task_vars or {}) if self._task.diff else ""
        task = self._task.copy()
        task.diff = False
        copy = self._shared_loader_obj.action_loader.get(
            "ansible.legacy.copy",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        result = dict(copy.run(task_vars=task_vars))
        result.pop("diff", None)
        if result.get("changed"):
            result["written"] = [path]
            if self._task.diff:
                result["diff"] = difference(before, content, path)
        return result

    def _present(self, path: str, task_vars: dict[str, Any]) -> str:
        """The file's text on the host; empty when it is not there."""
        found = self._execute_module("ansible.legacy.slurp", {"src": path}, task_vars=task_vars)
        return "" if found.get("failed") else base64.b64decode(found["content"]).decode()
