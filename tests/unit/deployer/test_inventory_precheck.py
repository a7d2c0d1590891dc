"""The inventories of the repository are sound, and each fault of an inventory is found."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.unit.deployer.conftest import ROOT

NETWORKS: dict[str, Any] = {
    "management": {"cidr": "10.0.0.0/24"},
    "tunnel": {"cidr": "10.0.1.0/24"},
    "external": {"cidr": "10.0.2.0/24", "gateway": "10.0.2.1", "allocation_pools": [{"start": "10.0.2.10", "end": "10.0.2.20"}]},
}
GROUPS = {"control": ["a"], "network": ["a"], "compute": ["a", "b"], "baremetal": ["a", "b"], "all": ["a", "b"]}


@pytest.fixture(scope="module")
def precheck(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("plugins/action/inventory_precheck.py")


def codes(problems: Any) -> list[str]:
    found = list(problems)
    assert all(p["reason"] and p["remedy"] for p in found)
    return [p["code"] for p in found]


def test_sound_networks(precheck: ModuleType) -> None:
    assert codes(precheck.network_problems(NETWORKS)) == []


@pytest.mark.parametrize("name", ["all-in-one", "multinode"])
def test_the_samples_are_sound(precheck: ModuleType, name: str) -> None:
    variables = yaml.safe_load((ROOT / f"inventory/{name}/group_vars/all/cloud.yml").read_text(encoding="utf-8"))
    assert codes(precheck.network_problems(variables["cloud_networks"])) == []
    assert codes(precheck.address_problems(variables["api_address"], variables["cloud_name"])) == []


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("tunnel", "cidr"), "10.0.0.128/25", "inventory.networks_overlap"),
        (("tunnel", "cidr"), "10.0.1.1/24", "inventory.cidr_invalid"),
        (("management", "cidr"), "", "inventory.cidr_invalid"),
        (("external", "gateway"), "10.0.3.1", "inventory.gateway_outside"),
        (("external", "gateway"), "10.0.2.15", "inventory.pool_holds_gateway"),
        (("external", "gateway"), "router", "inventory.external_invalid"),
        (("external", "allocation_pools"), [], "inventory.pool_missing"),
        (("external", "allocation_pools"), [{"start": "10.0.2.9", "end": "10.0.2.3"}], "inventory.pool_outside"),
        (("external", "allocation_pools"), [{"start": "10.0.2.9"}], "inventory.external_invalid"),
    ],
)
def test_each_fault_of_a_network(precheck: ModuleType, path: tuple[str, str], value: Any, code: str) -> None:
    networks = copy.deepcopy(NETWORKS)
    networks[path[0]][path[1]] = value
    assert codes(precheck.network_problems(networks)) == [code]


def test_groups(precheck: ModuleType) -> None:
    required = ["control", "network", "compute"]
    assert codes(precheck.group_problems(GROUPS, required)) == []
    assert codes(precheck.group_problems(GROUPS | {"network": []}, required)) == ["inventory.group_empty"]
    assert codes(precheck.group_problems(GROUPS | {"baremetal": ["a"]}, required)) == ["inventory.not_baremetal"]


def test_control_hosts_are_an_odd_number(precheck: ModuleType) -> None:
    assert codes(precheck.group_problems(GROUPS | {"control": ["a", "b"]}, ["control"])) == ["inventory.control_even"]
    assert codes(precheck.even_control(["a", "b", "c"])) == []


def test_a_cloud_that_lives_may_have_an_even_number_for_a_while(precheck: ModuleType) -> None:
    assert codes(precheck.group_problems(GROUPS | {"control": ["a", "b"]}, ["control"], lives=True)) == []


def test_a_host_in_no_plane_is_told(precheck: ModuleType) -> None:
    (problem,) = precheck.group_problems(GROUPS | {"all": ["a", "b", "forgotten"]}, ["control"])
    assert problem["code"] == "inventory.host_idle"
    assert "forgotten" in problem["reason"]


@pytest.mark.parametrize(
    ("address", "router_id", "expected"),
    [
        ("10.0.0.9", 83, []),
        ("10.0.9.9", 83, ["inventory.virtual_address_outside"]),
        ("10.0.0.2", 83, ["inventory.virtual_address_is_a_hosts"]),
        ("10.0.0.9", 256, ["inventory.virtual_router_id_invalid"]),
        ("10.0.0.9", "", ["inventory.virtual_router_id_invalid"]),
    ],
)
def test_the_virtual_address(precheck: ModuleType, address: str, router_id: Any, expected: list[str]) -> None:
    addresses = {"a": "10.0.0.1", "b": "10.0.0.2", "c": "10.0.0.3"}
    found = precheck.virtual_address_problems(address, NETWORKS["management"], addresses, ["a", "b", "c"], router_id)
    assert codes(found) == expected
    assert codes(precheck.virtual_address_problems("10.0.0.1", NETWORKS["management"], addresses, ["a"], router_id)) == []


def test_a_misspelled_variable_is_told_and_an_own_one_is_not(precheck: ModuleType) -> None:
    used = {"api_adress": "cloud.yml", "our_rack": "cloud.yml", "api_address": "cloud.yml"}
    (problem,) = precheck.misspelled(used, {"api_address", "cloud_name"})
    assert problem["code"] == "inventory.variable_unknown"
    assert "api_address" in problem["remedy"]


def test_address_and_name(precheck: ModuleType) -> None:
    assert codes(precheck.address_problems("somewhere", "")) == ["inventory.api_address_invalid", "inventory.cloud_name_missing"]
