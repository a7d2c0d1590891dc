"""The modules and the inventory plugin on a living cloud: each act is done twice, and the second time changes nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.real.quickstart import BIN, ROOT, Quickstart

pytestmark = [pytest.mark.real, pytest.mark.timeout(600), pytest.mark.usefixtures("leak_check")]

PLAY = Path(__file__).parent / "plays" / "cloud_modules.yml"


@pytest.mark.parametrize("act", ["made", "altered", "attached", "detached", "extended", "stopped", "started"])
def test_act_changes_once(quickstart: Quickstart, act: str) -> None:
    check_then_do_twice(quickstart, act)


def test_reboot_changes_each_time(quickstart: Quickstart) -> None:
    for _ in range(2):
        assert [task["changed"] for task in quickstart.playbook(PLAY, "--tags", "rebooted")] == [True]


def test_inventory_lists_the_instance(quickstart: Quickstart, tmp_path: Path) -> None:
    path = tmp_path / "cloud_instances.yml"
    path.write_text("plugin: cloud_instances\ncloud: quickstart\n")
    command = [str(BIN / "ansible-inventory"), "-i", str(path), "--list"]
    environment = {**quickstart.environment, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    listed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    inventory = json.loads(listed.stdout)
    for group in ("project_admin", "status_active", "role_other", "tier_1", "tag_green"):
        assert "realtest-instance" in inventory[group]["hosts"], group
    variables = inventory["_meta"]["hostvars"]["realtest-instance"]
    assert variables["ansible_host"] == variables["cloud_instance"]["floating_ip"]


def test_deletion_changes_once(quickstart: Quickstart) -> None:
    check_then_do_twice(quickstart, "deleted")


def check_then_do_twice(quickstart: Quickstart, act: str) -> None:
    """In check mode and the first time every task changes something, the second time none."""
    checked = quickstart.playbook(PLAY, "--tags", act, "--check")
    assert all(task["changed"] for task in checked), checked
    first = quickstart.playbook(PLAY, "--tags", act)
    assert first
    assert all(task["changed"] for task in first), first
    second = quickstart.playbook(PLAY, "--tags", act)
    assert not any(task["changed"] for task in second), second
