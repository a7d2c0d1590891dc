"""What went wrong in a playbook's run, in the words an operator needs: where, doing what, why, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ERROR_LINE = re.compile(r"\s*(\[?ERROR|error:|fatal:)", re.IGNORECASE)
REASON_LENGTH = 1200
FAILED_EVENTS = frozenset({"runner_on_failed", "runner_on_unreachable", "runner_item_on_failed"})


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed task on one host. `code` is stable and may be searched for in the documentation; it may be empty."""

    host: str
    task: str
    reason: str
    remedy: str
    code: str = ""

    def text(self) -> str:
        """The failure as the lines shown to a person."""
        reason = "\n           ".join(self.reason.splitlines()) or "no reason was given"
        code = f"  [{self.code}]" if self.code else ""
        return f"  host     {self.host}{code}\n  task     {self.task}\n  reason   {reason}\n  remedy   {self.remedy}"


def from_event(event: Mapping[str, Any]) -> list[Failure]:
    """The failures a runner event tells of: none when it is no failure or the play ignores it.

    A module that finds several things wrong at once returns them as `problems: [{code, reason, remedy}]`.
    """
    kind, data = event.get("event"), event.get("event_data") or {}
    if kind not in FAILED_EVENTS or data.get("ignore_errors") or kind == "runner_item_on_failed":
        return []
    host, task, result = str(data.get("host", "?")), str(data.get("task", "?")), data.get("res") or {}
    problems = result.get("problems")
    if isinstance(problems, list) and problems:
        return [Failure(host, task, str(p.get("reason", "")), str(p.get("remedy", "")), str(p.get("code", ""))) for p in problems]
    reason = reason_of(result)
    remedy = str(result.get("remedy") or (_reach(host) if kind == "runner_on_unreachable" else _look(task)))
    return [Failure(host, task, reason, remedy, str(result.get("code", "")))]


def from_output(lines: list[str]) -> Failure:
    """The failure of a run that ended before any task failed, such as an unreadable inventory: its last error lines."""
    plain = [line.rstrip() for line in lines]
    errors = [i for i, line in enumerate(plain) if ERROR_LINE.match(line)]
    start = errors[0] if errors else max(0, len(plain) - 8)
    reason = "\n".join(line for line in plain[start : start + 12] if line)
    remedy = "mend what the reason names and run the same command again"
    return Failure("this machine", "starting the playbook", reason[:REASON_LENGTH], remedy)


def reason_of(result: Mapping[str, Any]) -> str:
    """The words of a failed result that explain it: its message, else of its failed items, and what its command printed."""
    if result.get("censored"):
        return "hidden, because the task handles secrets; the host's own journal tells more"
    items = [item for item in result.get("results", []) if isinstance(item, Mapping) and item.get("failed")]
    if items:
        return "\n".join(f"{item.get('item', '')}: {reason_of(item)}".strip(": ") for item in items)[:REASON_LENGTH]
    parts = [str(result[key]).strip() for key in ("msg", "reason") if result.get(key)]
    parts += [str(result[key]).strip()[-REASON_LENGTH // 2 :] for key in ("stderr", "module_stderr") if result.get(key)]
    if not result.get("stderr") and result.get("rc") and result.get("stdout"):
        parts.append(str(result["stdout"]).strip()[-REASON_LENGTH // 2 :])
    return _shortened(ANSI_COLOUR.sub("", "\n".join(dict.fromkeys(parts))))


def _shortened(text: str) -> str:
    """A long reason without its middle: what was done stands at the start, what went wrong at the end."""
    if len(text) <= REASON_LENGTH:
        return text
    head, tail = text[: REASON_LENGTH // 4], text[-REASON_LENGTH * 3 // 4 :]
    return f"{head.rpartition(chr(10))[0] or head}\n…\n{tail.partition(chr(10))[2] or tail}"


def _reach(host: str) -> str:
    return f"see that {host} is up and that `ssh` as the inventory's user reaches it with its key, then run the same command again"


def _look(task: str) -> str:
    return f"mend what the reason names and run the same command again (or go on with --start-at-task {task!r})"
