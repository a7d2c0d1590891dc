"""A failure tells host, task, reason and remedy, whatever shape Ansible gave it."""

from __future__ import annotations

from typing import Any

import pytest

from cloudd.ctl import failure


def event(result: dict[str, Any], kind: str = "runner_on_failed", **data: Any) -> dict[str, Any]:
    return {"event": kind, "event_data": {"host": "aio", "task": "Do it", "res": result, **data}}


def test_a_module_that_fails_is_told_with_its_code() -> None:
    (found,) = failure.from_event(event({"msg": "no room", "code": "host.disk_small", "remedy": "make room"}))
    assert found == failure.Failure("aio", "Do it", "no room", "make room", "host.disk_small")
    assert "aio  [host.disk_small]" in found.text()


def test_several_problems_are_several_failures() -> None:
    problems = [{"code": "a.b", "reason": "one", "remedy": "mend one"}, {"code": "c.d", "reason": "two", "remedy": "mend two"}]
    assert [(f.code, f.reason, f.remedy) for f in failure.from_event(event({"problems": problems}))] == [
        ("a.b", "one", "mend one"),
        ("c.d", "two", "mend two"),
    ]


def test_an_ignored_failure_is_none() -> None:
    assert failure.from_event(event({"msg": "no"}, ignore_errors=True)) == []
    assert failure.from_event(event({"msg": "fine"}, kind="runner_on_ok")) == []


def test_an_unreachable_host_is_told_how_to_reach_it() -> None:
    (found,) = failure.from_event(event({"msg": "No route to host"}, kind="runner_on_unreachable"))
    assert "ssh" in found.remedy


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"msg": "non-zero return code", "rc": 1, "stderr": "E: no package", "stdout": "noise"}, ["non-zero", "E: no package"]),
        ({"msg": "non-zero return code", "rc": 1, "stderr": "", "stdout": "only here"}, ["only here"]),
        ({"results": [{"item": "x", "failed": True, "msg": "bad x"}, {"item": "y", "msg": "fine"}]}, ["x: bad x"]),
        ({"module_stderr": "Traceback: boom"}, ["boom"]),
    ],
)
def test_reason_holds_what_explains(result: dict[str, Any], words: list[str]) -> None:
    reason = failure.reason_of(result)
    assert all(word in reason for word in words)
    assert "fine" not in reason


def test_reason_of_a_secret_is_hidden() -> None:
    assert "hidden" in failure.reason_of({"censored": "the output has been hidden", "msg": "password=hunter2"})
    assert "hunter2" not in failure.reason_of({"censored": "the output has been hidden", "msg": "password=hunter2"})


def test_a_run_that_never_began_is_explained_by_its_output() -> None:
    found = failure.from_output(["PLAY [x]", "[ERROR]: no such inventory", "more of it"])
    assert found.reason == "[ERROR]: no such inventory\nmore of it"
