"""What labs raise in the machine's kernel goes back when the last of them goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


def test_kernel_settings_are_raised_and_put_back(
    load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = load("roles/lab_machine/library/lab_network.py")
    forward, instances = tmp_path / "ip_forward", tmp_path / "max_user_instances"
    forward.write_text("1\n")
    instances.write_text("128\n")
    monkeypatch.setattr(module, "SETTINGS", {forward: 1, instances: 4096})
    monkeypatch.setattr(module, "before", lambda setting: setting.with_suffix(".before"))
    bridges = [{"ifname": "lab1-mgmt"}, {"ifname": "lab2-mgmt"}]
    monkeypatch.setattr(module, "links", lambda: bridges)

    assert module.LabNetwork("one", 1, apply=False).ensure_settings()
    assert instances.read_text() == "128\n"
    assert module.LabNetwork("one", 1, apply=True).ensure_settings()
    assert instances.read_text() == "4096"
    assert not module.LabNetwork("two", 2, apply=True).ensure_settings()

    assert not module.LabNetwork("one", 1, apply=True).restore_settings(), "another lab needs it"
    del bridges[0]
    assert module.LabNetwork("two", 2, apply=True).restore_settings()
    assert instances.read_text() == "128\n"
    assert forward.read_text() == "1\n", "it was so before"
