"""Each fault between hosts is found, and sound hosts are left in peace."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest


def entry(number: int, network: int, mtu: int = 1500) -> dict[str, Any]:
    return {"interface": f"eth{network}", "address": f"10.0.{network}.{number}", "mac": f"52:54:00:00:0{network}:0{number}", "mtu": mtu}


def host(number: int) -> dict[str, Any]:
    return {"management": entry(number, 0), "tunnel": entry(number, 1)}


MINE = host(1)
PEERS = [{"name": "two", "networks": host(2)}, {"name": "three", "networks": host(3)}]
ALL = {f"10.0.{network}.{number}" for network in (0, 1) for number in (1, 2, 3)}
STRANGER = "52:54:00:00:00:99"


@pytest.fixture(scope="module")
def precheck(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/peer_precheck.py")


def codes(problems: Any) -> list[str]:
    found = list(problems)
    assert all(p["reason"] and p["remedy"] for p in found)
    return [p["code"] for p in found]


def answering(addresses: set[str], longest_bytes: int = 1472) -> Callable[[str, set[str], int], set[str]]:
    return lambda _source, targets, size_bytes: targets & addresses if size_bytes <= longest_bytes else set()


def test_sound_hosts(precheck: ModuleType) -> None:
    assert codes(precheck.shared_address_problems(MINE, PEERS)) == []
    assert codes(precheck.mtu_problems(MINE, 1500)) == []
    assert codes(precheck.peer_problems(MINE, PEERS, 1500, answering(ALL))) == []
    # The virtual address is with one of the hosts, which is as it should be.
    assert codes(precheck.holder_problems(MINE, PEERS, "10.0.0.9", lambda _i, a: {entry(2, 0)["mac"]} if a == "10.0.0.9" else set())) == []
    assert codes(precheck.vrrp_problems(MINE, PEERS, 83, {("10.0.0.2", 83), ("10.0.0.99", 7)})) == []


def test_two_hosts_with_one_address(precheck: ModuleType) -> None:
    twin = {"name": "twin", "networks": {"management": entry(1, 0)}}
    (problem,) = precheck.shared_address_problems(MINE, [*PEERS, twin])
    assert problem["code"] == "network.address_duplicate"
    assert "twin" in problem["reason"]


def test_a_tunnel_too_narrow(precheck: ModuleType) -> None:
    assert codes(precheck.mtu_problems(MINE | {"tunnel": entry(1, 1, mtu=1400)}, 1500)) == ["network.mtu_small"]


def test_a_switch_too_narrow(precheck: ModuleType) -> None:
    assert codes(precheck.peer_problems(MINE, PEERS, 1500, answering(ALL, longest_bytes=1400))) == ["network.path_mtu_small"] * 2


def test_a_peer_that_does_not_answer_on_one_network(precheck: ModuleType) -> None:
    (problem,) = precheck.peer_problems(MINE, PEERS, 1500, answering(ALL - {"10.0.1.3"}))
    assert problem["code"] == "network.peer_unreachable"
    assert "three" in problem["reason"]
    assert "tunnel" in problem["reason"]


@pytest.mark.parametrize(("address", "code"), [("10.0.0.1", "network.address_taken"), ("10.0.0.9", "network.virtual_address_taken")])
def test_a_stranger_with_an_address_of_ours(precheck: ModuleType, address: str, code: str) -> None:
    assert codes(precheck.holder_problems(MINE, PEERS, "10.0.0.9", lambda _i, a: {STRANGER} if a == address else set())) == [code]


def test_a_strangers_router_with_our_id(precheck: ModuleType) -> None:
    (problem,) = precheck.vrrp_problems(MINE, PEERS, 83, {("10.0.0.99", 83)})
    assert problem["code"] == "network.vrrp_id_taken"
    assert "10.0.0.99" in problem["reason"]


def test_a_peer_that_told_nothing_is_no_reason_to_fail(precheck: ModuleType) -> None:
    assert codes(precheck.peer_problems(MINE, [{"name": "two", "networks": {}}], 1500, answering(ALL))) == []


GROUPS = {"control": ["one", "two"], "compute": ["two", "three"]}
PORTS = [
    {"port": 3306, "group": "control", "from": ["control"]},
    {"port": 4444, "group": "control", "from": ["control"]},
    {"port": 16514, "group": "compute", "from": ["compute"]},
]


def test_a_port_is_tried_from_where_it_is_needed(precheck: ModuleType) -> None:
    peers = [{"name": "two", "served": [], "networks": host(2)}, {"name": "three", "served": [], "networks": host(3)}]
    assert list(precheck.wanted_ports("one", peers, GROUPS, PORTS)) == [("two", "10.0.0.2", 3306), ("two", "10.0.0.2", 4444)]
    assert list(precheck.wanted_ports("two", peers[1:], GROUPS, PORTS)) == [("three", "10.0.0.3", 16514)]


def test_a_host_that_serves_already_is_not_called(precheck: ModuleType) -> None:
    peers = [{"name": "two", "served": [3306], "networks": host(2)}, {"name": "three", "served": [], "networks": {}}]
    assert list(precheck.wanted_ports("one", peers, GROUPS, PORTS)) == []


def test_a_firewall_is_told_once_for_each_host_with_its_ports(precheck: ModuleType) -> None:
    wanted = [("two", "10.0.0.2", port) for port in range(4440, 4450)] + [("three", "10.0.0.3", 3306), ("four", "10.0.0.4", 3306)]
    found = list(precheck.port_problems("10.0.0.1", wanted, lambda _source, targets: targets - {("10.0.0.4", 3306)}))
    assert codes(found) == ["network.port_filtered"] * 2
    assert "three (10.0.0.3), TCP 3306" in found[0]["reason"]
    assert "TCP 4440, 4441, 4442, 4443, 4444, 4445, …" in found[1]["reason"]
    assert codes(precheck.port_problems("10.0.0.1", wanted, lambda _source, _targets: set())) == []
