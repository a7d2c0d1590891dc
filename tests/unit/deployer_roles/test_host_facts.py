"""A host's networks are found by CIDR, and its kernel is judged by files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

NETWORKS = {"management": {"cidr": "10.1.0.0/24"}, "tunnel": {"cidr": "10.1.1.0/24"}, "external": {"cidr": "10.1.2.0/24"}}
RELEASE = "6.1.0"


@pytest.fixture
def host_facts(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("plugins/module_utils/host_shape.py")


def link(name: str, *addresses: str, **more: Any) -> dict[str, Any]:
    entries = [{"local": address.split("/")[0], "prefixlen": int(address.split("/")[1]), **more} for address in addresses]
    return {"ifname": name, "mtu": 1500, "addr_info": entries}


def test_networks_are_found_by_cidr_whatever_the_nics_are_called(host_facts: ModuleType) -> None:
    found = host_facts.networks_of(NETWORKS, [link("b", "10.1.1.5/24", "fe80::1/64"), link("a", "10.1.0.5/24"), link("c")])
    assert found["management"] == {"interface": "a", "address": "10.1.0.5", "prefix": 24, "mtu": 1500}
    assert found["tunnel"]["interface"] == "b"
    assert "external" not in found


def test_virtual_addresses_are_not_the_hosts_own(host_facts: ModuleType) -> None:
    links = [link("a", "10.1.0.9/32", "10.1.0.5/24")]
    assert host_facts.networks_of(NETWORKS, links)["management"]["address"] == "10.1.0.5"
    assert host_facts.networks_of(NETWORKS, [link("a", "10.1.0.9/24", secondary=True)]) == {}


def kernel(host_facts: ModuleType, root: Path) -> dict[str, bool]:
    kernel: dict[str, bool] = host_facts.kernel_of(root, RELEASE)
    return kernel


def test_a_bare_container_has_nothing(host_facts: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "run/systemd").mkdir(parents=True)
    (tmp_path / "run/systemd/container").write_text("systemd-nspawn")
    assert kernel(host_facts, tmp_path) == {"container": True, "kvm": False, "openvswitch": False}
    (tmp_path / "sys/module/openvswitch").mkdir(parents=True)
    assert kernel(host_facts, tmp_path)["openvswitch"], "its machine has loaded the module"


def test_a_server_can_load_what_its_kernel_brings(host_facts: ModuleType, tmp_path: Path) -> None:
    modules = tmp_path / "lib/modules" / RELEASE
    modules.mkdir(parents=True)
    assert not kernel(host_facts, tmp_path)["openvswitch"]
    (modules / "modules.dep").write_text("kernel/net/openvswitch/openvswitch.ko: kernel/net/nsh/nsh.ko\n")
    assert kernel(host_facts, tmp_path) == {"container": False, "kvm": False, "openvswitch": True}
