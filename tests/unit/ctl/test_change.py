"""What would change is told once a task, with its hosts and what differs."""

from __future__ import annotations

from typing import Any

import pytest

from cloudd.ctl.change import Change, Changes, are_wanted, text_of


def event(kind: str, task: str, host: str, **rest: Any) -> dict[str, Any]:
    data = {"task": f"Write {task}", "task_uuid": task, "role": "web", "host": host, "res": rest.pop("res", {})}
    return {"event": kind, "event_data": data, **rest}


def difference(host: str) -> str:
    return f"\x1b[0;36m--- before: /etc/a\x1b[0m\n+++ after: /tmp/{host}/a.j2\n@@ -1 +1 @@\n-old\n+new\n"


def test_events_become_changes() -> None:
    changes = Changes()
    for host in ("one", "two"):
        changes.take(event("runner_on_file_diff", "a", host, stdout=difference(host)))
        changes.take(event("runner_on_ok", "a", host, res={"changed": True}))
    changes.take(event("runner_on_ok", "b", "one", res={"changed": True}))
    changes.take(event("runner_on_ok", "c", "one", res={"changed": False}))
    assert [(change.task, change.host) for change in changes.found] == [
        ("web: Write a", "one"),
        ("web: Write a", "two"),
        ("web: Write b", "one"),
    ]
    assert text_of(changes.found).splitlines() == [
        "web: Write a  (one, two)",
        "    --- before: /etc/a",
        "    +++ after",
        "    @@ -1 +1 @@",
        "    -old",
        "    +new",
        "web: Write b  (one)",
    ]


def test_hosts_that_differ_in_another_way_are_told_apart() -> None:
    text = text_of([Change("t", "one", "-a"), Change("t", "two", "-b"), Change("t", "three", "-a")])
    assert text.splitlines() == ["t  (one, three)", "    -a", "t  (two)", "    -b"]


@pytest.mark.parametrize("flags", [["--check"], ["-C"], ["--diff"], ["-i", "x", "-D"]])
def test_flags_that_ask_for_it(flags: list[str]) -> None:
    assert are_wanted(flags)
    assert not are_wanted(["-i", "x", "--limit", "one"])
