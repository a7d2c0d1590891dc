"""Consent before destruction, and the inventory that every verb needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudd.ctl import deployer, lab
from cloudd.ctl.verb import Verb

CONSENT = ["-e", deployer.CONFIRMATION_VARIABLE]


def terminal(monkeypatch: pytest.MonkeyPatch, answer: str | None) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: answer is not None, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)


def test_without_a_terminal_the_inventory_is_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, None)
    assert deployer.confirm_destroy(["-i", "x"]) == ["-i", "x", *CONSENT]


def test_a_person_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, "yes")
    assert deployer.confirm_destroy(["-i", "x"]) == ["-i", "x", *CONSENT]
    terminal(monkeypatch, "no")
    assert deployer.confirm_destroy(["-i", "x"]) is None


def test_the_flag_needs_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, "no")
    assert deployer.confirm_destroy(["-i", "x", deployer.CONFIRMATION_FLAG]) == ["-i", "x", *CONSENT]


def test_a_verb_without_inventory_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert deployer.run_verb(Verb("deploy", "", Path("deploy.yml")), []) == deployer.USAGE_ERROR
    assert "inventory/" in capsys.readouterr().err


def test_an_unknown_lab_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.run(["up", "nowhere"]) == lab.USAGE_ERROR
    assert "lab-all-in-one" in capsys.readouterr().err
