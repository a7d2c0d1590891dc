"""The plan for Open vSwitch leads from any state to the wanted one, and from there nowhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

PARAMS: dict[str, Any] = {
    "name": "c1",
    "datapath": "netdev",
    "southbound": "unix:/run/ovn/ovnsb_db.sock",
    "encapsulation": "vxlan",
    "tunnel": {"interface": "tunnel0", "address": "10.1.1.11", "prefix": 24},
    "management_interface": "host0",
    "external_interface": "external0",
    "physical_network": "external",
    "external": True,
    "gateway": True,
    "segmentation_offload": True,
}
BRIDGES = {
    "br-int": {"datapath_type": "netdev", "fail_mode": "secure", "ports": ["br-int"]},
    "br-ex": {"datapath_type": "netdev", "fail_mode": "", "ports": ["br-ex", "external0"]},
    "br-phy": {"datapath_type": "netdev", "fail_mode": "", "ports": ["br-phy", "tunnel0"]},
}


@pytest.fixture
def ovn_chassis(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/ovn_chassis.py")


def plan(module: ModuleType, settings: dict[str, Any], bridges: dict[str, Any], **changes: Any) -> list[str]:
    params = PARAMS | changes
    ids, config = module.wanted_settings(params)
    commands = module.plan(settings, bridges, ids, config, module.wanted_bridges(params, module.tunnel_nic(params, bridges)))
    return [" ".join(command) for command in commands]


def wanted(module: ModuleType, **changes: Any) -> dict[str, Any]:
    ids, config = module.wanted_settings(PARAMS | changes)
    return {"external_ids": ids | {"system-id": "x"}, "other_config": config}


def test_a_bare_switch_gets_all(ovn_chassis: ModuleType) -> None:
    commands = plan(ovn_chassis, {}, {})
    assert 'set open_vswitch . external_ids:ovn-encap-ip="10.1.1.11"' in commands
    assert 'set open_vswitch . external_ids:ovn-bridge-datapath-type="netdev"' in commands
    assert commands.index("add-br br-phy") < commands.index("add-port br-phy tunnel0")
    assert "set-fail-mode br-int secure" in commands
    assert "set open_vswitch . other_config:userspace-tso-enable=true" in commands


def test_what_is_as_wanted_is_left_alone(ovn_chassis: ModuleType) -> None:
    assert plan(ovn_chassis, wanted(ovn_chassis), BRIDGES) == []
    moved = {"interface": "br-phy", "address": "10.1.1.11", "prefix": 24}
    assert plan(ovn_chassis, wanted(ovn_chassis), BRIDGES, tunnel=moved) == [], "the tunnel's address sits on its bridge by now"


def test_the_kernel_needs_no_bridge_for_the_tunnel(ovn_chassis: ModuleType) -> None:
    commands = plan(ovn_chassis, wanted(ovn_chassis), BRIDGES, datapath="system")
    assert "del-br br-phy" in commands
    assert "remove open_vswitch . external_ids ovn-bridge-datapath-type" in commands
    assert "remove open_vswitch . other_config userspace-tso-enable" in commands
    assert "set bridge br-int datapath_type=system" in commands
    system = {name: bridge | {"datapath_type": ""} for name, bridge in BRIDGES.items() if name != "br-phy"}
    assert plan(ovn_chassis, wanted(ovn_chassis, datapath="system"), system, datapath="system") == []


def test_the_management_nic_is_never_touched(ovn_chassis: ModuleType) -> None:
    shared = {"interface": "host0", "address": "10.1.0.11", "prefix": 24}
    assert not [command for command in plan(ovn_chassis, {}, {}, tunnel=shared) if "host0" in command or "br-phy" in command]


def test_a_nic_that_changed_bridges_is_moved(ovn_chassis: ModuleType) -> None:
    bridges = BRIDGES | {
        "br-ex": BRIDGES["br-ex"] | {"ports": ["br-ex"]},
        "br-old": {"datapath_type": "", "fail_mode": "", "ports": ["external0"]},
    }
    assert plan(ovn_chassis, wanted(ovn_chassis), bridges) == ["del-port external0", "add-port br-ex external0"]


def test_another_nic_replaces_the_one_before(ovn_chassis: ModuleType) -> None:
    ports = ["br-ex", "eth7", "patch-localnet-1-to-br-int"]
    bridges = BRIDGES | {"br-ex": BRIDGES["br-ex"] | {"ports": ports}}
    assert plan(ovn_chassis, wanted(ovn_chassis), bridges) == ["del-port br-ex eth7", "add-port br-ex external0"]


def test_a_host_off_the_external_network_has_no_such_bridge(ovn_chassis: ModuleType) -> None:
    commands = plan(ovn_chassis, {}, {}, external=False, gateway=False)
    assert not [command for command in commands if "br-ex" in command or "enable-chassis-as-gw" in command]


def test_removal_leaves_others_settings(ovn_chassis: ModuleType) -> None:
    commands = [" ".join(command) for command in ovn_chassis.plan(wanted(ovn_chassis), BRIDGES, {}, {}, {})]
    assert {"del-br br-int", "del-br br-ex", "del-br br-phy"} <= set(commands)
    assert not [command for command in commands if "system-id" in command]


def test_offloads_of_nics_are_off_only_where_the_switch_cannot_use_them(ovn_chassis: ModuleType) -> None:
    assert "OFFLOAD=on" in ovn_chassis.underlay_text(PARAMS, "tunnel0")
    several = ovn_chassis.underlay_text(PARAMS | {"segmentation_offload": False}, "tunnel0")
    assert "OFFLOAD=off" in several
    assert "TUNNEL_BRIDGE=br-phy\nTUNNEL_ADDRESS=10.1.1.11/24" in several
    assert "TUNNEL_BRIDGE=\n" in ovn_chassis.underlay_text(PARAMS | {"datapath": "system"}, "")


def test_ovsdb_json_is_understood(ovn_chassis: ModuleType) -> None:
    text = json.dumps(
        {
            "headings": ["name", "ids", "ports", "fail_mode"],
            "data": [["br-int", ["map", [["a", "b"]]], ["set", [["uuid", "1"], ["uuid", "2"]]], ["set", []]]],
        }
    )
    assert ovn_chassis.rows(text) == [{"name": "br-int", "ids": {"a": "b"}, "ports": ["1", "2"], "fail_mode": []}]
    assert ovn_chassis.rows("") == []
