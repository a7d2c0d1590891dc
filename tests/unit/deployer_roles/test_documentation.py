"""What a module of the host roles documents is what it takes; what a role documents is what its defaults hold."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.unit.deployer_roles.conftest import ROOT

MODULES = [
    "host_facts",
    "fresh_service",
    "ovn_chassis",
    "ovn_databases",
    "cloudd_release",
    "cloudd_bootstrap",
    "cloudd_ready",
    "mariadb_database",
    "cloudd_release_info",
    "settled_service",
    "rabbitmq_member",
    "rabbitmq_rights",
]
ROLES = ["base", "certificates", "haproxy", "keepalived", "mariadb", "ovn", "libvirt", "iscsi_target", "cloudd", "rabbitmq"]
COMPARED = {"type": "str", "required": False, "default": None, "choices": None, "elements": None}
VERBS = {"main", "precheck", "install", "configure", "start", "verify", "stop", "leave", "forget", "remove"}
UPGRADE_VERBS = {"restart", "deliver", "expand", "upgrade", "rollback", "finalize", "contract"}
# Parts of a verb that other verbs use too, or that concern some hosts only.
PARTS = {"api", "part", "rights", "settings", "records", "well", "tls", "databases", "chassis", "daemon", "packages", "kernel"}


def compared(option: dict[str, Any]) -> dict[str, Any]:
    return {key: option.get(key, default) for key, default in COMPARED.items()}


@pytest.mark.parametrize("name", MODULES)
def test_documentation_equals_the_argument_spec(name: str, load: Callable[[str], ModuleType]) -> None:
    module = load(f"library/{name}.py")
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert {key: compared(option) for key, option in documented.items()} == {
        key: compared(option) for key, option in module.ARGUMENTS.items()
    }
    for task in yaml.safe_load(module.EXAMPLES):
        assert set(task[name] or ()) <= set(documented)


@pytest.mark.parametrize("role", ROLES)
def test_every_default_is_described(role: str) -> None:
    defaults = yaml.safe_load((ROOT / f"roles/{role}/defaults/main.yml").read_text())
    described = yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert sorted(defaults) == sorted(described)
    assert all(name.startswith(f"{role}_") for name in defaults)


@pytest.mark.parametrize("role", ROLES)
def test_roles_have_the_verbs_and_can_be_removed(role: str) -> None:
    files = {path.stem for path in (ROOT / f"roles/{role}/tasks").glob("*.yml")}
    assert files <= VERBS | UPGRADE_VERBS | PARTS
    assert {"main", "remove"} <= files
