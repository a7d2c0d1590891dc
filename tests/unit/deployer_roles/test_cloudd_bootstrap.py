"""What was done is remembered without giving the password away."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

PASSWORD = "correct horse battery"


@pytest.fixture
def cloudd_bootstrap(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/cloudd_bootstrap.py")


def test_done_is_remembered_for_just_this_state(cloudd_bootstrap: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    assert not cloudd_bootstrap.is_done(path, "1", b"settings", PASSWORD)
    cloudd_bootstrap.remember(path, "1", b"settings", PASSWORD)
    assert cloudd_bootstrap.is_done(path, "1", b"settings", PASSWORD)
    assert not cloudd_bootstrap.is_done(path, "2", b"settings", PASSWORD)
    assert not cloudd_bootstrap.is_done(path, "1", b"others", PASSWORD)
    assert not cloudd_bootstrap.is_done(path, "1", b"settings", "another one")
    assert cloudd_bootstrap.version_of(path) == "1"


def test_the_note_is_private_and_holds_no_password(cloudd_bootstrap: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    cloudd_bootstrap.remember(path, "1", b"", PASSWORD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PASSWORD not in path.read_text()


def test_a_spoilt_note_counts_for_nothing(cloudd_bootstrap: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    for text in ("", "{", "[]", "{}", '{"salt": "zz"}'):
        path.write_text(text)
        assert not cloudd_bootstrap.is_done(path, "1", b"", PASSWORD)
        assert cloudd_bootstrap.version_of(path) == ""


def test_the_answer_is_the_last_json_line(cloudd_bootstrap: ModuleType) -> None:
    assert cloudd_bootstrap.last_json('a log line\n{"changed": true}\n') == {"changed": True}
    assert cloudd_bootstrap.last_json("nothing") == {}
