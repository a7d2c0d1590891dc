"""Units start when down, restart only when stale, and stop in the reverse order."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def fresh_service(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/fresh_service.py")


def unit(active: str = "active", file_state: str = "enabled", loaded: str = "loaded") -> dict[str, str]:
    return {"LoadState": loaded, "UnitFileState": file_state, "ActiveState": active}


def nothing(name: str) -> str:
    return ""


def restart(name: str) -> str:
    return "restart"


def test_what_runs_and_is_fresh_is_left_alone(fresh_service: ModuleType) -> None:
    assert fresh_service.plan(["a"], {"a": unit()}, "started", True, nothing) == []


def test_what_is_down_starts_and_is_enabled(fresh_service: ModuleType) -> None:
    units = {"a": unit("inactive", "disabled"), "b": unit("failed", "static")}
    assert fresh_service.plan(["a", "b"], units, "started", True, nothing) == [["enable", "--quiet", "a"], ["start", "a"], ["start", "b"]]


def test_only_the_stale_one_restarts(fresh_service: ModuleType) -> None:
    units = {"a": unit(), "b": unit()}
    assert fresh_service.plan(["a", "b"], units, "started", None, lambda name: "restart" if name == "b" else "") == [["restart", "b"]]


def test_fresh_does_not_start_what_is_down(fresh_service: ModuleType) -> None:
    assert fresh_service.plan(["a"], {"a": unit("inactive")}, "fresh", None, restart) == []


def test_stopping_goes_backwards_and_ignores_what_is_not_there(fresh_service: ModuleType) -> None:
    units = {"a": unit(), "b": unit(), "c": unit("inactive", "", "not-found")}
    expected = [["stop", "b"], ["stop", "a"], ["disable", "--quiet", "a", "b"]]
    assert fresh_service.plan(["a", "b", "c"], units, "stopped", False, nothing) == expected
    assert fresh_service.plan(["a"], {"a": unit("inactive", "disabled")}, "stopped", False, nothing) == []


def test_a_changed_unit_is_read_again_first(fresh_service: ModuleType) -> None:
    changed = unit() | {"NeedDaemonReload": "yes"}
    assert fresh_service.plan(["a"], {"a": changed}, "started", None, restart) == [["daemon-reload"], ["restart", "a"]]


def test_start_is_counted_from_boot_so_that_a_set_clock_does_not_matter(fresh_service: ModuleType) -> None:
    shown = "Id=a.service\nActiveState=active\nActiveEnterTimestampMonotonic=5000000\n\nId=b.service\nActiveState=inactive\n"
    units = fresh_service.parse_show(shown)
    assert sorted(units) == ["a.service", "b.service"]
    assert fresh_service.since_1970(units["a.service"], "ActiveEnter", now=1000.0, monotonic=65.0) == 940.0


def test_the_newest_file_counts_and_a_links_own_time(fresh_service: ModuleType, tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("")
    os.utime(target, (100, 100))
    assert fresh_service.newest([str(target), str(tmp_path / "missing")]) == 100
    link.symlink_to(target)
    os.utime(link, (50, 50), follow_symlinks=False)
    assert fresh_service.newest([str(link)]) == 50
    assert fresh_service.newest([]) == 0


def test_running_starts_what_is_down_and_leaves_the_stale_alone(fresh_service: ModuleType) -> None:
    units = {"a": unit("inactive"), "b": unit()}
    assert fresh_service.plan(["a", "b"], units, "running", None, restart) == [["start", "a"]]


def test_what_adds_to_a_unit_counts_as_its_file(fresh_service: ModuleType, tmp_path: Path) -> None:
    addition = tmp_path / "a.service.d" / "cloud.conf"
    addition.parent.mkdir()
    addition.touch()
    assert fresh_service.unit_files("a.service", {"FragmentPath": "/lib/a.service"}, tmp_path) == ["/lib/a.service", str(addition)]


class Calls:
    """A module that notes what it is told to run; commands in `fails` end with status 1."""

    def __init__(self, guard: str, healthy: str, fails: tuple[str, ...] = ()) -> None:
        self.params = {"guard": guard, "healthy": healthy, "settle_seconds": 0, "timeout_seconds": 0, "wait": True}
        self.ran: list[str] = []
        self.fails = fails
        self.shown = ""

    def run_command(self, command: str | list[str]) -> tuple[int, str, str]:
        text = command if isinstance(command, str) else " ".join(command)
        self.ran.append(text)
        return int(text in self.fails), self.shown if "systemctl show" in text else "", "no"

    def fail_json(self, **result: str) -> None:
        raise SystemExit(result["code"])


def test_a_restart_asks_the_others_before_and_the_unit_after(fresh_service: ModuleType) -> None:
    calls = Calls("others spare it", "it is well")
    fresh_service.carry_out(calls, ["restart", "a"])
    assert calls.ran == ["others spare it", "timeout 0 systemctl restart a", "it is well"]


def test_nothing_is_restarted_that_the_others_cannot_spare(fresh_service: ModuleType) -> None:
    calls = Calls("others spare it", "it is well", fails=("others spare it",))
    with pytest.raises(SystemExit, match=r"service\.not_healthy"):
        fresh_service.carry_out(calls, ["restart", "a"])
    assert not [call for call in calls.ran if "systemctl" in call]


def test_a_start_asks_nobody(fresh_service: ModuleType) -> None:
    calls = Calls("others spare it", "it is well")
    fresh_service.carry_out(calls, ["start", "a"])
    assert calls.ran == ["timeout 0 systemctl start a"]


def test_a_reload_asks_as_a_restart_does(fresh_service: ModuleType) -> None:
    calls = Calls("its settings are whole", "it is well")
    fresh_service.carry_out(calls, ["reload", "a"])
    assert calls.ran == ["its settings are whole", "timeout 0 systemctl reload a", "it is well"]


def test_a_restarted_unit_that_ends_again_is_not_well(fresh_service: ModuleType) -> None:
    calls = Calls("", "")
    calls.params["settle_seconds"] = 0.01
    calls.shown = "Id=a\nActiveState=activating\nActiveEnterTimestampMonotonic=1\n"
    with pytest.raises(SystemExit, match=r"service\.not_settled"):
        fresh_service.settle(calls, "a")
    calls.shown = "Id=a\nActiveState=active\nActiveEnterTimestampMonotonic=1\n"
    fresh_service.settle(calls, "a")


def test_files_read_at_the_start_want_a_restart_and_others_a_reload(fresh_service: ModuleType, tmp_path: Path) -> None:
    read, reread = tmp_path / "read", tmp_path / "reread"
    for path in (read, reread):
        path.touch()

    def due(read_at: int, reread_at: int, **moments: str) -> str:
        os.utime(read, (read_at, read_at))
        os.utime(reread, (reread_at, reread_at))
        unit = {"ActiveEnterTimestampMonotonic": "100000000", "ReloadResult": "success", **moments}
        return str(fresh_service.due(unit, [str(read)], [str(reread)], now=1000.0, monotonic=1000.0))

    assert due(50, 50) == ""
    assert due(150, 50) == due(150, 150) == "restart"
    assert due(50, 150) == "reload"
    # It was reloaded since, by whomever; a reload that failed does not count.
    assert due(50, 150, StateChangeTimestampMonotonic="200000000") == ""
    assert due(50, 150, StateChangeTimestampMonotonic="200000000", ReloadResult="exit-code") == "reload"


def test_what_can_be_reloaded_is(fresh_service: ModuleType) -> None:
    assert fresh_service.plan(["a"], {"a": unit()}, "fresh", None, lambda name: "reload") == [["reload", "a"]]
    assert fresh_service.plan(["a"], {"a": unit()}, "running", None, lambda name: "reload") == []
