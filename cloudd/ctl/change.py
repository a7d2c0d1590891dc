"""What a run changed, or in check mode would change: task by task, with the hosts and what differs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudd.ctl.failure import ANSI_COLOUR

CHECK_FLAGS = frozenset({"--check", "-C"})
DIFF_FLAGS = frozenset({"--diff", "-D"})
# A template's text comes from a scratch file of this machine, which is another one for each host.
AFTER = re.compile(r"^(\+\+\+ after).*$", re.MULTILINE)
TIMES = re.compile(r"^((?:---|\+\+\+) .*?)\t.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Change:
    """One task that changed something on one host. `text`: what differs, empty when the task does not show it."""

    task: str
    host: str
    text: str = ""


class Changes:
    """Gathers changes from a run's events."""

    def __init__(self) -> None:
        self.found: list[Change] = []
        self._differences: dict[tuple[str, str], str] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        """Note what the event tells; differences come before the result they belong to."""
        kind, data = event.get("event"), event.get("event_data") or {}
        key = (str(data.get("task_uuid", "")), str(data.get("host", "")))
        if kind == "runner_on_file_diff":
            text = ANSI_COLOUR.sub("", str(event.get("stdout") or ""))
            self._differences[key] = AFTER.sub(r"\1", TIMES.sub(r"\1", text)).strip("\r\n")
        elif kind == "runner_on_ok" and (data.get("res") or {}).get("changed"):
            role = f"{data['role']}: " if data.get("role") else ""
            self.found.append(Change(f"{role}{data.get('task', '?')}", key[1], self._differences.pop(key, "")))


def are_wanted(arguments: Iterable[str]) -> bool:
    """Whether whoever gave these arguments wants to see the changes."""
    return not (CHECK_FLAGS | DIFF_FLAGS).isdisjoint(arguments)


def text_of(changes: Iterable[Change]) -> str:
    """The changes as a person reads them: each task once, and hosts that differ in the same way together."""
    tasks: dict[str, dict[str, list[str]]] = {}
    for change in changes:
        tasks.setdefault(change.task, {}).setdefault(change.text, []).append(change.host)
    lines = []
    for task, differences in tasks.items():
        for text, hosts in differences.items():
            lines.append(f"{task}  ({', '.join(hosts)})")
            lines += [f"    {line}".rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines)
