"""Action `health_report`: puts what the hosts and the cloud tell of themselves into one table, or one JSON object."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

MARKS = {"error": "ERROR", "warning": "warning"}
Finding = dict[str, str]
Row = dict[str, Any]


def clock_finding(told: Mapping[str, Any], now: float, allowed_seconds: float) -> Finding | None:
    """A host's clock that showed a time before it was asked, or one that has not come yet. Slow answers are no fault."""
    asked, clock = told.get("asked"), told.get("clock")
    if asked is None or clock is None or asked - allowed_seconds <= clock <= now + allowed_seconds:
        return None
    off = clock - asked if clock < asked else clock - now
    remedy = "see that chrony or systemd-timesyncd runs there and on the deployment host"
    return {"level": "error", "subject": "clock", "text": f"is {off:+.1f} s off the deployment host's", "remedy": remedy}


def rows_of(hosts: Mapping[str, Any], cloud: list[dict[str, Any]], now: float = 0.0, clock_skew_seconds: float = 0.0) -> list[Row]:
    """One row a check: name, title, how many looked, and all findings with the host's name.

    A host that told nothing is a finding itself.
    """
    rows: dict[str, Row] = {}
    silent: list[Finding] = []
    wrong = {host: clock_finding(told, now, clock_skew_seconds) for host, told in hosts.items()}
    for host, told in sorted(hosts.items()):
        if not told.get("checks"):
            remedy = f"see that {host} is up and that ssh reaches it; is it lost, docs/high-availability.md tells what to do"
            silent.append({"host": host, "level": "error", "subject": "host", "text": "does not answer ssh", "remedy": remedy})
        for check in told.get("checks", []):
            row = rows.setdefault(check["name"], {"name": check["name"], "title": check["title"], "looked": 0, "findings": []})
            row["looked"] += 1
            row["findings"] += [{"host": host, **finding} for finding in check["findings"]]
    reached = {"name": "host.reached", "title": "hosts", "looked": len(hosts), "findings": silent}
    whole = [{**check, "looked": 1, "findings": [{"host": "", **finding} for finding in check["findings"]]} for check in cloud]
    off = [{"host": host, **finding} for host, finding in sorted(wrong.items()) if finding]
    clocks = {"name": "host.clock", "title": "clocks", "looked": len(hosts) - len(silent), "findings": off}
    return [reached, clocks, *rows.values(), *whole]


def is_healthy(rows: list[Row]) -> bool:
    """No finding is an error."""
    return not any(finding["level"] == "error" for row in rows for finding in row["findings"])


def table(rows: list[Row]) -> str:
    """The rows for a person: a line a check, and below it what was found and what to do."""
    width = max(len(row["title"]) for row in rows)
    lines = []
    for row in rows:
        levels = [finding["level"] for finding in row["findings"]]
        verdict = ", ".join(f"{levels.count(level)} {level}{'s' if levels.count(level) > 1 else ''}" for level in MARKS if level in levels)
        lines.append(f"  {row['title']:<{width}}  {verdict or 'well'}")
        for finding in sorted(row["findings"], key=lambda one: (one["level"], one["host"])):
            where = f"{finding['host']}: " if finding["host"] else ""
            lines.append(f"      {MARKS[finding['level']]}: {where}{finding['subject']} {finding['text']}")
            lines.append(f"        -> {finding['remedy']}")
    return "\n".join(lines)


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs on the deployment host. Arguments: `hosts` (host → what host_health returned), `cloud` (the cloud's checks), `format`, `path`.

    And `clock_skew_seconds`. Returns `shown`, the text for a person, and `health`, the same as data; fails when a finding is an error.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Gather, write the file, show."""
        super().run(tmp, task_vars)
        arguments = self._task.args
        rows = rows_of(arguments["hosts"], arguments["cloud"], time.time(), float(arguments["clock_skew_seconds"]))
        health = {"healthy": is_healthy(rows), "checks": rows}
        text = json.dumps(health, indent=2)
        if arguments.get("path"):
            Path(arguments["path"]).parent.mkdir(parents=True, exist_ok=True)
            Path(arguments["path"]).write_text(text + "\n", encoding="utf-8")
        shown = text if arguments.get("format") == "json" else table(rows)
        result: dict[str, Any] = {"changed": False, "shown": shown, "health": health, "_ansible_verbose_always": True}
        if not health["healthy"]:
            errors = [finding for row in rows for finding in row["findings"] if finding["level"] == "error"]
            problems = [{"code": "health.error", "reason": _sentence(one), "remedy": one["remedy"]} for one in errors]
            result |= {"failed": True, "msg": f"{len(errors)} findings are errors", "problems": problems}
        return result


def _sentence(finding: Finding) -> str:
    return f"{finding['host'] + ': ' if finding['host'] else ''}{finding['subject']} {finding['text']}"
