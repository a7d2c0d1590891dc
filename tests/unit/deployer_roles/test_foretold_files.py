"""Check mode tells which units would restart, from the files that it did not write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def action(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("plugins/action/fresh_service.py")


def test_each_way_in_which_a_result_names_its_file(action: ModuleType) -> None:
    variables = {
        "__a_written": {
            "changed": True,
            "results": [
                {"changed": True, "item": {"path": "/etc/a"}},
                {"changed": False, "item": {"path": "/etc/same"}},
                {"changed": True, "item": "/etc/b"},
                {"changed": True, "item": {"path": "relative"}},
            ],
        },
        "__b_written": {"changed": True, "invocation": {"module_args": {"path": "/etc/c"}}},
        "__c_written": {"changed": True, "written": ["/etc/d", "/etc/e"], "invocation": {"module_args": {"path": "/etc/other"}}},
        "__d_written": {"changed": True, "written": []},
        "__e_written": {"changed": False, "invocation": {"module_args": {"path": "/etc/same"}}},
        "__f_written": {"skipped": True},
        "__g": {"changed": True, "invocation": {"module_args": {"path": "/etc/another"}}},
        "__h_written": {
            "changed": True,
            "invocation": "hidden",
            "results": ["hidden", {"changed": True, "item": "/etc/f", "invocation": "hidden"}],
        },
        "i_written": "no result",
    }
    assert action.foretold(variables) == ["/etc/a", "/etc/b", "/etc/c", "/etc/d", "/etc/e", "/etc/f"]


@pytest.fixture(scope="module")
def module(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/fresh_service.py")


def test_what_is_foretold_is_newer_than_anything(module: ModuleType) -> None:
    unit = {"ActiveEnterTimestampMonotonic": "5000000", "StateChangeTimestampMonotonic": "5000000", "ActiveState": "active"}
    assert module.due(unit, ["/etc/a"], ["/etc/b"], 1000.0, 65.0, ("/etc/other",)) == ""
    assert module.due(unit, ["/etc/a"], ["/etc/b"], 1000.0, 65.0, ("/etc/a",)) == "restart"
    assert module.due(unit, ["/etc/a"], ["/etc/b"], 1000.0, 65.0, ("/etc/b",)) == "reload"


def test_a_units_own_files_may_be_foretold(module: ModuleType, tmp_path: Path) -> None:
    foretold = (str(tmp_path / "a.service"), str(tmp_path / "a.service.d" / "cloud.conf"), str(tmp_path / "b.service"))
    assert module.unit_files("a.service", {}, tmp_path, foretold) == ["/nonexistent", *foretold[:2]]
