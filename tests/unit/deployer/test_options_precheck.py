"""Every value of an inventory that a role cannot take is told once with its hosts, and no secret with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret, VaultSecretsContext
from ansible.playbook.task import Task
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from tests.unit.deployer.conftest import ROOT

HOSTS = ["ctl1", "cmp1", "cmp2"]
OPTIONS: dict[str, Any] = {
    "engine_mtu": {"type": "int", "description": "MTU of tenant networks."},
    "engine_level": {"choices": ["info", "debug"], "description": "How much is logged."},
    "engine_ports": {"type": "list", "elements": "int"},
    "engine_backup": {"type": "dict", "options": {"hour": {"type": "int"}, "token": {"type": "str", "choices": ["a"], "no_log": True}}},
    "engine_limits": {"type": "dict", "options": {"files": {"type": "int"}}},
    "engine_settings": {"type": "dict", "no_log": True},
    "engine_name": {"type": "str", "required": True},
}
Look = Callable[..., list[dict[str, str]]]


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    init_plugin_loader()


@pytest.fixture(scope="module")
def precheck(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("plugins/action/options_precheck.py")


def run(precheck: ModuleType, inventory: Path, roles: Path) -> dict[str, Any]:
    loader = DataLoader()
    hosts = InventoryManager(loader=loader, sources=[str(inventory / "hosts.yml")])
    variables = VariableManager(loader=loader, inventory=hosts)
    task = Task()
    task.args = {"roles_directory": str(roles)}
    # Where nothing is connected to.
    nowhere = SimpleNamespace(_shell=SimpleNamespace(tmpdir=""))
    action = precheck.ActionModule(task, nowhere, None, loader, Templar(loader, {}), None)
    task_vars = {"groups": hosts.get_groups_dict(), "hostvars": HostVars(hosts, variables, loader), "inventory_dir": str(inventory)}
    return dict(action.run(task_vars=task_vars))


@pytest.fixture
def look(precheck: ModuleType, tmp_path: Path) -> Look:
    """Check an inventory with these files against a role with OPTIONS."""
    roles, inventory = tmp_path / "roles", tmp_path / "inventory"

    def write(path: Path, content: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")

    def found(hosts: list[str] = HOSTS, **files: Any) -> list[dict[str, str]]:
        write(roles / "engine/meta/argument_specs.yml", {"argument_specs": {"main": {"options": OPTIONS}}})
        write(inventory / "hosts.yml", {"baremetal": {"hosts": dict.fromkeys(hosts)}})
        for name, content in files.items():
            write(inventory / ("group_vars/all.yml" if name == "everywhere" else f"host_vars/{name}.yml"), content)
        result = run(precheck, inventory, roles)
        assert bool(result.get("failed")) == bool(result["problems"])
        assert all(one["code"] == "inventory.option_invalid" and one["reason"] and one["remedy"] for one in result["problems"])
        return list(result["problems"])

    return found


@pytest.mark.parametrize("name", sorted(path.parent.name for path in ROOT.glob("inventory/*/hosts.yml")))
def test_the_inventories_of_the_repository_fit_the_roles(precheck: ModuleType, name: str) -> None:
    assert run(precheck, ROOT / "inventory" / name, ROOT / "roles")["problems"] == []


def test_what_fits_or_can_be_made_to_fit_is_no_problem(look: Look) -> None:
    assert look(everywhere={"engine_mtu": "1450", "engine_level": "debug", "engine_ports": [1, "2"], "engine_limits": {"files": 3}}) == []
    # Left open, or none of ours.
    assert look(everywhere={"engine_mtu": None, "rack": []}) == []


def test_a_value_of_all_hosts_is_told_once_with_its_line(look: Look) -> None:
    (problem,) = look(everywhere="---\n# A comment.\nengine_mtu: abc\n")
    assert problem["reason"] == "group_vars/all.yml:3: engine_mtu is 'abc' on all hosts: \"'abc'\" cannot be converted to an int"
    assert problem["remedy"] == "write an int; engine_mtu is an option of the role engine: MTU of tenant networks."


def test_all_faults_are_told_at_once_each_with_its_hosts(look: Look) -> None:
    found = look(cmp1={"engine_mtu": "abc"}, cmp2={"engine_mtu": "abc", "engine_level": "loud"}, ctl1={"engine_mtu": 1450})
    assert [problem["reason"].partition(": ")[2] for problem in found] == [
        "engine_mtu is 'abc' on cmp1: \"'abc'\" cannot be converted to an int",
        "engine_level is 'loud' on cmp2: value of engine_level must be one of: info, debug, got: loud",
        "engine_mtu is 'abc' on cmp2: \"'abc'\" cannot be converted to an int",
    ]


def test_many_hosts_are_counted(look: Look) -> None:
    hosts = [f"cmp{i}" for i in range(9)]
    (problem,) = look(hosts, everywhere={"engine_mtu": "{{ 'abc' if inventory_hostname != 'cmp0' else 1450 }}"})
    assert "on 8 hosts (cmp1, cmp2, cmp3, cmp4, cmp5, …)" in problem["reason"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"engine_ports": [1, "x"]}, "\"'x'\" cannot be converted to an int"),
        ({"engine_ports": {"a": 1}}, "a dict cannot be converted to a list"),
        ({"engine_limits": {"files": "many"}}, "\"'many'\" cannot be converted to an int"),
        ({"engine_limits": {"filse": 1}}, "engine_limits.filse. Supported parameters include: files"),
        ({"engine_mtu": "{{ 3"}, "it is no template that can be read"),
    ],
)
def test_each_part_of_a_value_is_looked_at(look: Look, values: dict[str, Any], words: str) -> None:
    (problem,) = look(everywhere=values)
    assert words in problem["reason"]


def test_a_template_is_worked_out_for_each_host(look: Look) -> None:
    (problem,) = look(
        everywhere={"engine_mtu": "{{ mtu + 50 }}", "mtu": 1400}, cmp2={"mtu": [1]}, cmp1={"engine_mtu": "{{ level }}", "level": "x"}
    )
    assert "engine_mtu is '{{ level }}' on cmp1: what it comes to is not an int" in problem["reason"]
    (other,) = look(everywhere={"engine_mtu": "{{ hostvars['cmp1'].level }}", "level": 1}, cmp1={"level": "x"}, cmp2={})
    assert "on all hosts" in other["reason"]


def test_a_template_that_needs_what_is_not_known_yet_is_passed_over(look: Look) -> None:
    assert look(everywhere={"engine_mtu": "{{ ansible_facts.mtu }}", "engine_limits": {"files": "{{ engine_default | int }}"}}) == []


def test_no_secret_is_shown(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [("default", VaultSecret(b"key"))]
    monkeypatch.setattr(VaultSecretsContext, "_current", VaultSecretsContext(keys))
    sealed = VaultLib(keys).encrypt("swordfish").decode().replace("\n", "\n  ")
    files = {
        "engine_settings": "hunter2",
        "engine_backup": {"hour": 1, "token": "mellon"},
        "engine_ports": ["{{ secret }}"],
        "secret": "staple",
    }
    found = look(everywhere=yaml.safe_dump(files) + f"engine_mtu: !vault |\n  {sealed}\n")
    assert sorted(problem["reason"].partition(": ")[2] for problem in found) == [
        "engine_backup is (a secret) on all hosts: it is not a dict",
        "engine_mtu is (a secret) on all hosts: it is not an int",
        "engine_ports is ['{{ secret }}'] on all hosts: what it comes to is not a list of int",
        "engine_settings is (a secret) on all hosts: it is not a dict",
    ]
    assert not [word for word in ("hunter2", "mellon", "staple", "swordfish", "VAULT") if word in str(found)]


def test_what_cannot_be_decrypted_is_left_to_ansible(look: Look) -> None:
    sealed = VaultLib([("default", VaultSecret(b"key"))]).encrypt("swordfish").decode().replace("\n", "\n  ")
    assert look(everywhere=f"engine_mtu: !vault |\n  {sealed}\n") == []
