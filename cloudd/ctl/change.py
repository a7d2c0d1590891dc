"""What a run changed, or in check mode would change: task by task, with the hosts and what differs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CHECK_FLAGS = frozenset({"--check", "-C"})
DIFF_FLAGS = frozenset({"--diff", "-D"})
# Results of items come first, then that of the whole task.
ITEM, WHOLE = "runner_item_on_ok", "runner_on_ok"


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
        self._items: dict[tuple[str, str], list[str]] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        """Note what the event tells."""
        kind, data = event.get("event"), event.get("event_data") or {}
        result = data.get("res") or {}
        if kind not in (ITEM, WHOLE) or not result.get("changed"):
            return
        key = (str(data.get("task_uuid", "")), str(data.get("host", "")))
        if kind == ITEM:
            self._items.setdefault(key, []).extend(lines_of(result))
            return
        lines = self._items.pop(key, None)
        role = f"{data['role']}: " if data.get("role") else ""
        self.found.append(Change(f"{role}{data.get('task', '?')}", key[1], "\n".join(lines_of(result) if lines is None else lines)))


def lines_of(result: Mapping[str, Any]) -> Iterator[str]:
    """What a result shows of its differences, a path before each that has one; the path alone where the task hides the rest."""
    item, shown = result.get("item"), result.get("diff") or []
    named = item.get("path") if isinstance(item, Mapping) else item
    path = named if isinstance(named, str) and named.startswith("/") else ""
    if not shown and path:
        yield path
    for part in shown if isinstance(shown, list) else [shown]:
        header = path or str(part.get("before_header") or part.get("after_header") or "").removesuffix(" (content)")
        lines = list(_difference(part))
        yield from [header] if header and lines else []
        yield from lines


def _difference(part: Mapping[str, Any]) -> Iterator[str]:
    if "prepared" in part:
        yield from str(part["prepared"]).splitlines()
    if "before" in part or "after" in part:
        before, after = (_text(part.get(side)).splitlines() for side in ("before", "after"))
        # The first two lines would name the files again.
        yield from list(difflib.unified_diff(before, after, lineterm="", n=2))[2:]


def _text(side: object) -> str:
    return "".join(f"{name}: {value}\n" for name, value in side.items()) if isinstance(side, Mapping) else str(side or "")


def are_wanted(arguments: Iterable[str]) -> bool:
    """Whether whoever gave these arguments wants to see the changes."""
    return not (CHECK_FLAGS | DIFF_FLAGS).isdisjoint(arguments)


def text_of(changes: Iterable[Change], arguments: Iterable[str]) -> str:
    """The changes as a person reads them: each task once, and hosts that differ in the same way together.

    What differs is told when the arguments ask for it.
    """
    whole = not DIFF_FLAGS.isdisjoint(arguments)
    tasks: dict[str, dict[str, list[str]]] = {}
    for change in changes:
        tasks.setdefault(change.task, {}).setdefault(change.text if whole else "", []).append(change.host)
    lines = []
    for task, differences in tasks.items():
        for text, hosts in differences.items():
            lines.append(f"{task}  ({', '.join(sorted(hosts))})")
            lines += [f"    {line}".rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines)
