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


def test_the_former_version_is_never_surplus(cloudd_release: ModuleType) -> None:
    assert cloudd_release.surplus(["1", "2", "3"], "3", 0, former="1") == ["2"]


def test_files_come_back_as_they_were(cloudd_release: ModuleType, tmp_path: Path) -> None:
    home, etc, root = tmp_path / "opt/1", tmp_path / "etc", tmp_path / "root"
    home.mkdir(parents=True)
    etc.mkdir()
    (etc / "cloudd.yaml").write_text("secret: old")
    (etc / "cloudd.yaml").chmod(0o600)
    cloudd_release.keep_files(home, [str(etc / "cloudd.yaml"), str(etc / "missing-*")])
    assert (home / "run-with").stat().st_mode & 0o777 == 0o700
    place = root / str(etc / "cloudd.yaml").lstrip("/")
    place.parent.mkdir(parents=True)
    place.write_text("secret: new")
    cloudd_release.bring_back_files(home, root)
    assert place.read_text() == "secret: old"
    assert place.stat().st_mode & 0o777 == 0o600


def test_what_a_host_runs_is_read_from_its_links(load: Callable[[str], ModuleType], cloudd_release: ModuleType, tmp_path: Path) -> None:
    info = load("library/cloudd_release_info.py")
    assert info.releases(tmp_path) == {"current": "", "former": "", "installed": []}
    put(tmp_path, "1", 100)
    put(tmp_path, "2", 200)
    cloudd_release.switch(tmp_path, "1", "former")
    cloudd_release.switch(tmp_path, "2")
    assert info.releases(tmp_path) == {"current": "2", "former": "1", "installed": ["1", "2"]}
