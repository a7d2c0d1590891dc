"""Runs the modules as Ansible would, on the fake cloud."""

from __future__ import annotations

import importlib
import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "library"))

from tests.unit.modules.fake_cloud import FakeConnection  # noqa: E402

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeConnection:
    """A fresh fake cloud that every session opened in the test talks to, with no pauses while waiting."""
    fake = FakeConnection()
    session = importlib.import_module("ansible.module_utils.cloud_session")
    wait = importlib.import_module("ansible.module_utils.cloud_wait")
    monkeypatch.setattr(session, "connect", lambda params: fake)
    monkeypatch.setattr(wait, "FIRST_PAUSE_SECONDS", 0.0)
    return fake


@pytest.fixture
def run(cloud: FakeConnection, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a module by name with its arguments; returns what it prints, which is its result."""

    def run_module(module_name: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        module = importlib.import_module(module_name)
        with patch_module_args({"_ansible_check_mode": check, "_ansible_diff": True, **arguments}), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run_module
