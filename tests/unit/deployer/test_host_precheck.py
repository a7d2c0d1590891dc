"""Every precheck of a host fails on a host that has the fault, and on no other."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

LINKS: list[dict[str, Any]] = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1", "scope": "host"}]},
    {"ifname": "eth0", "addr_info": [{"local": "10.0.0.5", "scope": "global"}, {"local": "fe80::1", "scope": "link"}]},
    {"ifname": "eth1", "address": "52:54:00:00:01:05", "mtu": 1500, "addr_info": [{"local": "10.0.1.5", "scope": "global"}]},
    {"ifname": "eth2", "addr_info": [{"local": "fe80::2", "scope": "link"}]},
]


@pytest.fixture(scope="module")
def precheck(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/host_precheck.py")


def codes(problems: Any) -> list[str]:
    found = list(problems)
    assert all(p["reason"] and p["remedy"] for p in found)
    return [p["code"] for p in found]


def test_a_network_is_found_by_its_cidr(precheck: ModuleType) -> None:
    found, problems = precheck.find_networks({"management": "10.0.0.0/24", "tunnel": "10.0.1.0/24"}, LINKS)
    assert found["tunnel"] == {"interface": "eth1", "address": "10.0.1.5", "mac": "52:54:00:00:01:05", "mtu": 1500}
    assert not problems


def test_an_address_that_moves_between_hosts_is_no_second_one(precheck: ModuleType) -> None:
    links = [{"ifname": "eth0", "addr_info": [{"local": "10.0.0.9"}, {"local": "10.0.0.5"}]}]
    found, problems = precheck.find_networks({"management": "10.0.0.0/24"}, links, "10.0.0.9")
    assert found["management"]["address"] == "10.0.0.5"
    assert not problems


def test_a_second_address_of_one_nic_does_no_harm_and_the_first_is_the_hosts(precheck: ModuleType) -> None:
    links = [{"ifname": "eth0", "addr_info": [{"local": "10.0.0.5"}, {"local": "10.0.0.200"}]}]
    found, problems = precheck.find_networks({"management": "10.0.0.0/24"}, links)
    assert found["management"]["address"] == "10.0.0.5"
    assert not problems


@pytest.mark.parametrize(("cidr", "code"), [("10.9.0.0/24", "network.interface_missing"), ("10.0.0.0/16", "network.interface_ambiguous")])
def test_a_network_must_be_on_one_nic(precheck: ModuleType, cidr: str, code: str) -> None:
    assert codes(precheck.find_networks({"management": cidr}, LINKS)[1]) == [code]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("eth2", []),
        ("", []),
        ("eth9", ["network.external_interface_missing"]),
        ("eth1", ["network.external_interface_has_address"]),
    ],
)
def test_the_external_nic_is_free(precheck: ModuleType, name: str, expected: list[str]) -> None:
    assert codes(precheck.external_interface_problems(name, LINKS)) == expected


@pytest.mark.parametrize(
    ("release", "uid", "systemd", "expected"),
    [
        ({"ID": "debian", "VERSION_ID": "12"}, 0, True, []),
        ({"ID": "debian"}, 0, True, []),  # testing has no number
        ({"ID": "ubuntu", "VERSION_ID": "24.04"}, 0, True, []),
        ({"ID": "debian", "VERSION_ID": "11"}, 0, True, ["host.os_unsupported"]),
        ({"ID": "fedora", "VERSION_ID": "41"}, 1000, False, ["host.os_unsupported", "host.not_root", "host.systemd_missing"]),
    ],
)
def test_the_system(precheck: ModuleType, release: dict[str, str], uid: int, systemd: bool, expected: list[str]) -> None:
    assert codes(precheck.system_problems(release, uid, systemd)) == expected


def test_wheels_fit(precheck: ModuleType) -> None:
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert codes(precheck.wheel_problems(here, os.uname().machine)) == []
    assert codes(precheck.wheel_problems("3.1", "vax")) == ["host.python_differs", "host.architecture_differs"]


def test_a_port_may_be_held_by_its_own_unit_only(precheck: ModuleType) -> None:
    wanted = [{"port": 443, "units": ["cloudd-all.service"]}]
    assert codes(precheck.port_problems(wanted, {443: ["cloudd-all.service"]})) == []
    assert codes(precheck.port_problems(wanted, {443: ["apache2.service"]})) == ["host.port_taken"]


def test_what_the_cloud_serves_already_is_told(precheck: ModuleType) -> None:
    wanted = [{"port": 443, "units": ["haproxy.service"]}, {"port": 3306, "units": ["mariadb.service"]}, {"port": 49152}]
    assert precheck.served_ports(wanted, {443: ["apache2.service"], 3306: ["mariadb.service"], 49152: ["x"]}) == [3306]


def test_a_port_that_systemd_holds_belongs_to_its_socket_unit(precheck: ModuleType) -> None:
    listed = "10.0.0.5:16514  libvirtd-tls.socket libvirtd.service\n[::]:4369 epmd.socket epmd.service\n/run/x.sock x.socket x.service\n"
    assert precheck.socket_unit(listed, 16514) == "libvirtd-tls.socket"
    assert precheck.socket_unit(listed, 4369) == "epmd.socket"
    assert precheck.socket_unit(listed, 22) == "systemd"


def test_a_listener_is_found_by_its_port(precheck: ModuleType) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert precheck.read_listeners({port})[port]
    assert precheck.read_listeners({port}) == {}


def test_sizes(precheck: ModuleType, tmp_path: Path) -> None:
    assert codes(precheck.size_problems(4096, 2048, {str(tmp_path / "not" / "yet"): 0})) == []
    assert codes(precheck.size_problems(1024, 2048, {str(tmp_path): 10**9})) == ["host.memory_small", "host.disk_small"]


def test_paths_of_one_file_system_share_its_room(precheck: ModuleType, tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free / precheck.GIB
    assert codes(precheck.size_problems(1, 0, {str(tmp_path / "a"): free * 0.4, str(tmp_path / "b"): free * 0.4})) == []
    (problem,) = precheck.size_problems(1, 0, {str(tmp_path / "a"): free * 0.7, str(tmp_path / "b"): free * 0.7})
    assert str(tmp_path / "a") in problem["reason"]
    assert str(tmp_path / "b") in problem["reason"]


def test_clock_and_names(precheck: ModuleType) -> None:
    assert codes(precheck.clock_problems(-31.0, 30)) == ["host.clock_off"]
    assert codes(precheck.clock_problems(2.0, 30)) == []
    assert codes(precheck.name_problems({"a", "b"}, lambda name: name == "a")) == ["host.name_unresolved"]
