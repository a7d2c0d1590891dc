"""Versions lie side by side, one is current, and surplus ones go."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def cloudd_release(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/cloudd_release.py")


def put(directory: Path, version: str, when: int) -> None:
    (directory / version).mkdir()
    (directory / version / ".complete").touch()
    os.utime(directory / version / ".complete", (when, when))


def test_installed_are_complete_ones_by_age(cloudd_release: ModuleType, tmp_path: Path) -> None:
    put(tmp_path, "2", 200)
    put(tmp_path, "1", 300)
    (tmp_path / "cut-off").mkdir()
    cloudd_release.switch(tmp_path, "2")
    assert cloudd_release.installed(tmp_path) == ["2", "1"]


def test_the_link_switches_there_and_back(cloudd_release: ModuleType, tmp_path: Path) -> None:
    for version in ("1", "2", "1"):
        cloudd_release.switch(tmp_path, version)
        assert (tmp_path / "current").readlink() == Path(version)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["current"]


@pytest.mark.parametrize(
    ("versions", "current", "kept", "removed"),
    [
        (["1", "2", "3"], "3", 1, ["1"]),
        (["1", "2", "3"], "1", 1, ["2"]),
        (["1"], "1", 1, []),
        (["1", "2"], "2", 0, ["1"]),
        ([], "1", 1, []),
    ],
)
def test_surplus(cloudd_release: ModuleType, versions: list[str], current: str, kept: int, removed: list[str]) -> None:
    assert cloudd_release.surplus(versions, current, kept) == removed
