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


def never(name: str) -> bool:
    return False


def test_what_runs_and_is_fresh_is_left_alone(fresh_service: ModuleType) -> None:
    assert fresh_service.plan(["a"], {"a": unit()}, "started", True, never) == []


def test_what_is_down_starts_and_is_enabled(fresh_service: ModuleType) -> None:
    units = {"a": unit("inactive", "disabled"), "b": unit("failed", "static")}
    assert fresh_service.plan(["a", "b"], units, "started", True, never) == [["enable", "--quiet", "a"], ["start", "a"], ["start", "b"]]


def test_only_the_stale_one_restarts(fresh_service: ModuleType) -> None:
    units = {"a": unit(), "b": unit()}
    assert fresh_service.plan(["a", "b"], units, "started", None, lambda name: name == "b") == [["restart", "b"]]


def test_fresh_does_not_start_what_is_down(fresh_service: ModuleType) -> None:
    assert fresh_service.plan(["a"], {"a": unit("inactive")}, "fresh", None, lambda name: True) == []


def test_stopping_goes_backwards_and_ignores_what_is_not_there(fresh_service: ModuleType) -> None:
    units = {"a": unit(), "b": unit(), "c": unit("inactive", "", "not-found")}
    expected = [["stop", "b"], ["stop", "a"], ["disable", "--quiet", "a", "b"]]
    assert fresh_service.plan(["a", "b", "c"], units, "stopped", False, never) == expected
    assert fresh_service.plan(["a"], {"a": unit("inactive", "disabled")}, "stopped", False, never) == []


def test_a_changed_unit_is_read_again_first(fresh_service: ModuleType) -> None:
    changed = unit() | {"NeedDaemonReload": "yes"}
    assert fresh_service.plan(["a"], {"a": changed}, "started", None, lambda name: True) == [["daemon-reload"], ["restart", "a"]]


def test_start_is_counted_from_boot_so_that_a_set_clock_does_not_matter(fresh_service: ModuleType) -> None:
    shown = "Id=a.service\nActiveState=active\nActiveEnterTimestampMonotonic=5000000\n\nId=b.service\nActiveState=inactive\n"
    units = fresh_service.parse_show(shown)
    assert sorted(units) == ["a.service", "b.service"]
    assert fresh_service.started_at(units["a.service"], now=1000.0, monotonic=65.0) == 940.0


def test_the_newest_file_counts_and_a_links_own_time(fresh_service: ModuleType, tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("")
    os.utime(target, (100, 100))
    assert fresh_service.newest([str(target), str(tmp_path / "missing")]) == 100
    link.symlink_to(target)
    os.utime(link, (50, 50), follow_symlinks=False)
    assert fresh_service.newest([str(link)]) == 50
    assert fresh_service.newest([]) == 0
