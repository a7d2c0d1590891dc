"""A host's certificates are written in one step each, only where they differ, and nobody but the group may read the key."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest


@pytest.fixture
def files(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/host_certificate.py")


def test_written_once_with_its_rights(files: ModuleType, tmp_path: Path) -> None:
    key, group = tmp_path / "host.key", os.getegid()
    assert not files.is_right(key, b"secret", group, 0o640)
    files.write(key, b"secret", group, 0o640)
    assert files.is_right(key, b"secret", group, 0o640)
    assert stat.S_IMODE(key.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [key]


@pytest.mark.parametrize(("content", "mode"), [(b"another", 0o640), (b"secret", 0o600)])
def test_another_content_or_other_rights_are_seen(files: ModuleType, tmp_path: Path, content: bytes, mode: int) -> None:
    files.write(tmp_path / "host.key", content, os.getegid(), mode)
    assert not files.is_right(tmp_path / "host.key", b"secret", os.getegid(), 0o640)


def test_what_a_killed_run_left_is_in_nobodys_way(files: ModuleType, tmp_path: Path) -> None:
    (tmp_path / ".host.key.new").write_text("half")
    files.write(tmp_path / "host.key", b"secret", os.getegid(), 0o600)
    assert (tmp_path / "host.key").read_bytes() == b"secret"


def test_check_mode_makes_no_directory(files: ModuleType, tmp_path: Path) -> None:
    asked = SimpleNamespace(check_mode=True)
    assert files.keep_directory(asked, tmp_path / "tls")
    assert not (tmp_path / "tls").exists()
    asked.check_mode = False
    assert files.keep_directory(asked, tmp_path / "tls")
    assert not files.keep_directory(asked, tmp_path / "tls")


def test_an_unknown_group_is_not_made_in_check_mode(files: ModuleType) -> None:
    assert files.group_id(SimpleNamespace(check_mode=True), "no-such-group-here") == -1
    assert files.group_id(SimpleNamespace(check_mode=False), "root") == 0
