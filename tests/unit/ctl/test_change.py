"""What would change is told once a task, with its hosts and what differs."""

from __future__ import annotations

from typing import Any

import pytest

from cloudd.ctl.change import Change, Changes, are_wanted, lines_of, text_of

DIFFERENCE = {"before": "same\nold\n", "after": "same\nnew\n", "before_header": "/etc/a", "after_header": "/scratch/a.j2"}


def event(kind: str, task: str, host: str, **result: Any) -> dict[str, Any]:
    return {"event": kind, "event_data": {"task": f"Write {task}", "task_uuid": task, "role": "web", "host": host, "res": result}}


def test_events_become_changes() -> None:
    changes = Changes()
    for host in ("two", "one"):
        changes.take(event("runner_on_ok", "a", host, changed=True, diff=DIFFERENCE))
    changes.take(event("runner_on_ok", "b", "one", changed=True))
    changes.take(event("runner_on_ok", "c", "one", changed=False, diff=DIFFERENCE))
    changes.take(event("runner_item_on_ok", "d", "one", changed=True, item="/etc/d", diff=[{"before": "", "after": "new\n"}]))
    changes.take(event("runner_item_on_ok", "d", "one", changed=False, item="/etc/e", diff=[{"before": "", "after": ""}]))
    changes.take(event("runner_item_on_ok", "d", "one", changed=True, item={"path": "/etc/hidden"}))
    changes.take(event("runner_on_ok", "d", "one", changed=True, results=[]))
    assert text_of(changes.found, ["--diff"]).splitlines() == [
        "web: Write a  (one, two)",
        "    /etc/a",
        "    @@ -1,2 +1,2 @@",
        "     same",
        "    -old",
        "    +new",
        "web: Write b  (one)",
        "web: Write d  (one)",
        "    /etc/d",
        "    @@ -0,0 +1 @@",
        "    +new",
        "    /etc/hidden",
    ]
    assert text_of(changes.found, ["--check"]).splitlines() == ["web: Write a  (one, two)", "web: Write b  (one)", "web: Write d  (one)"]


def test_each_shape_of_a_difference() -> None:
    assert list(lines_of({"diff": {"prepared": "systemctl restart a\n"}})) == ["systemctl restart a"]
    assert list(lines_of({"diff": {"before": {"path": "/a", "state": "absent"}, "after": {"path": "/a", "state": "directory"}}})) == [
        "@@ -1,2 +1,2 @@",
        " path: /a",
        "-state: absent",
        "+state: directory",
    ]
    assert list(lines_of({"diff": {"prepared": ""}, "item": "word"})) == []


def test_hosts_that_differ_in_another_way_are_told_apart() -> None:
    text = text_of([Change("t", "one", "-a"), Change("t", "two", "-b"), Change("t", "three", "-a")], ["-D"])
    assert text.splitlines() == ["t  (one, three)", "    -a", "t  (two)", "    -b"]


@pytest.mark.parametrize("flags", [["--check"], ["-C"], ["--diff"], ["-i", "x", "-D"]])
def test_flags_that_ask_for_it(flags: list[str]) -> None:
    assert are_wanted(flags)
    assert not are_wanted(["-i", "x", "--limit", "one"])
