"""A walk through the cloud by python-openstackclient alone: the tests are its steps, in order, and the end must be like the beginning."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path

import pytest

from tests.real.conftest import PREFIX
from tests.real.guest import Guest
from tests.real.host_state import assert_as_before, things
from tests.real.quickstart import Quickstart

pytestmark = [pytest.mark.real, pytest.mark.timeout(600), pytest.mark.usefixtures("steps")]

NETWORK, SUBNET, ROUTER, GROUP, KEY = (PREFIX + noun for noun in ("network", "subnet", "router", "group", "key"))
ONE, TWO, THREE, VOLUME, ROOT_VOLUME = (PREFIX + noun for noun in ("one", "two", "three", "volume", "root"))


class Walk:
    """What the steps hand on to each other."""

    def __init__(self, cloud: Quickstart, key: Path) -> None:
        self.cloud = cloud
        self.key = key
        self.text = secrets.token_hex(32)
        self.before: set[str] = set()
        self.addresses: list[str] = []
        self.fixed: dict[str, str] = {}
        self.volume_id = ""
        self.guests: dict[str, Guest] = {}
        self.icmp_rule = ""

    def give_floating_ip(self, server: str) -> Guest:
        made = self.cloud.openstack("floating", "ip", "create", "public", "--description", PREFIX + server)
        self.addresses.append(made["floating_ip_address"])
        self.cloud.openstack("server", "add", "floating", "ip", server, made["floating_ip_address"])
        return Guest(made["floating_ip_address"], self.key)

    def wait_volume(self, name: str, status: str, timeout_seconds: float = 60) -> None:
        deadline = time.monotonic() + timeout_seconds
        while True:
            seen = self.cloud.openstack("volume", "show", name)["status"]
            if seen == status:
                return
            assert not seen.startswith("error"), f"volume {name} is in status {seen}"
            assert time.monotonic() < deadline, f"volume {name} is still {seen}, not {status}"


@pytest.fixture(scope="module")
def walk(quickstart: Quickstart, guest_key: Path, leak_check: None) -> Walk:
    """The one walk; it begins with what the host holds and ends with the leak check."""
    walk = Walk(quickstart, guest_key)
    walk.before = things(quickstart)
    return walk


def test_network_with_router_and_gateway(walk: Walk) -> None:
    run = walk.cloud.openstack
    walk.cloud.openstack_together(("network", "create", NETWORK), ("router", "create", ROUTER))
    run("subnet", "create", SUBNET, "--network", NETWORK, "--subnet-range", "192.168.77.0/24", "--dns-nameserver", "192.0.2.53")
    run("router", "set", ROUTER, "--external-gateway", "public")
    run("router", "add", "subnet", ROUTER, SUBNET)
    router = run("router", "show", ROUTER)
    assert router["status"] == "ACTIVE"
    assert router["external_gateway_info"]["external_fixed_ips"]
    assert [one["ip_address"] for one in router["interfaces_info"]] == ["192.168.77.1"]


def test_security_group_and_keypair(walk: Walk) -> None:
    run = walk.cloud.openstack
    walk.cloud.openstack_together(("security", "group", "create", GROUP), ("keypair", "create", KEY, "--public-key", f"{walk.key}.pub"))
    icmp, _ = walk.cloud.openstack_together(
        ("security", "group", "rule", "create", GROUP, "--protocol", "icmp"),
        ("security", "group", "rule", "create", GROUP, "--protocol", "tcp", "--dst-port", "22"),
    )
    walk.icmp_rule = icmp["id"]
    assert run("keypair", "show", KEY)["name"] == KEY


def test_two_servers(walk: Walk) -> None:
    common = ("--flavor", "tiny", "--image", "tiny", "--network", NETWORK, "--security-group", GROUP, "--key-name", KEY, "--wait")
    servers = walk.cloud.openstack_together(
        ("server", "create", ONE, *common, "--property", "colour=green"),
        ("server", "create", TWO, *common),
    )
    for name, server in zip((ONE, TWO), servers, strict=True):
        assert server["status"] == "ACTIVE", server
        walk.fixed[name] = server["addresses"][NETWORK][0]
        assert walk.fixed[name].startswith("192.168.77.")


def test_ssh_through_floating_ips(walk: Walk) -> None:
    for name in (ONE, TWO):
        walk.guests[name] = walk.give_floating_ip(name)
    for name in (ONE, TWO):
        walk.guests[name].wait()
    shown = walk.cloud.openstack("server", "show", ONE)["addresses"][NETWORK]
    assert sorted(shown) == sorted([walk.fixed[ONE], walk.guests[ONE].address])


def test_host_name_and_metadata(walk: Walk) -> None:
    guest = walk.guests[ONE]
    assert guest.run("hostname") == ONE
    metadata = json.loads(guest.run("curl -sf http://169.254.169.254/openstack/latest/meta_data.json"))
    server = walk.cloud.openstack("server", "show", ONE)
    assert metadata["uuid"] == server["id"]
    assert metadata["name"] == ONE
    assert metadata["meta"] == {"colour": "green"}
    assert (walk.key.with_suffix(".pub")).read_text().split()[1] in metadata["public_keys"][KEY]
    assert walk.fixed[ONE] in guest.run("ip address show")


def test_volume_attached_while_running(walk: Walk) -> None:
    walk.volume_id = walk.cloud.openstack("volume", "create", VOLUME, "--size", "1")["id"]
    walk.wait_volume(VOLUME, "available")
    walk.cloud.openstack("server", "add", "volume", ONE, VOLUME)
    walk.wait_volume(VOLUME, "in-use")
    guest = walk.guests[ONE]
    device = guest.disk_of(walk.volume_id)
    guest.run(f"mkfs.vfat {device} >/dev/null && mkdir -p /mnt/volume && mount -t vfat {device} /mnt/volume")
    guest.run(f"echo {walk.text} >/mnt/volume/text && sync && umount /mnt/volume")


def test_volume_moves_with_its_data(walk: Walk) -> None:
    walk.cloud.openstack("server", "remove", "volume", ONE, VOLUME)
    walk.wait_volume(VOLUME, "available")
    assert not walk.guests[ONE].has_disk_of(walk.volume_id)
    walk.cloud.openstack("server", "add", "volume", TWO, VOLUME)
    walk.wait_volume(VOLUME, "in-use")
    guest = walk.guests[TWO]
    device = guest.disk_of(walk.volume_id)
    assert guest.run(f"mkdir -p /mnt/volume && mount -t vfat {device} /mnt/volume && cat /mnt/volume/text") == walk.text
    guest.run("umount /mnt/volume")


def test_boot_from_volume(walk: Walk) -> None:
    run = walk.cloud.openstack
    common = ("--flavor", "tiny", "--network", NETWORK, "--security-group", GROUP, "--key-name", KEY, "--wait")
    run("volume", "create", ROOT_VOLUME, "--size", "1", "--image", "tiny", "--bootable")
    walk.wait_volume(ROOT_VOLUME, "available")
    server = run("server", "create", THREE, "--volume", ROOT_VOLUME, *common)
    assert server["status"] == "ACTIVE"
    walk.guests[THREE] = walk.give_floating_ip(THREE).wait()
    assert walk.guests[THREE].run("hostname") == THREE
    attachments = run("volume", "show", ROOT_VOLUME)["attachments"]
    assert [one["server_id"] for one in attachments] == [server["id"]]


def test_removed_security_group_rule_cuts_them_off(walk: Walk) -> None:
    one, two = walk.guests[ONE], walk.fixed[TWO]
    assert one.reaches(two)
    walk.cloud.openstack("security", "group", "rule", "delete", walk.icmp_rule)
    assert not one.reaches(two)
    assert walk.guests[TWO].run("echo still here") == "still here"
    walk.cloud.openstack("security", "group", "rule", "create", GROUP, "--protocol", "icmp")
    assert one.reaches(two)


def test_console_log(walk: Walk) -> None:
    log = walk.cloud.openstack("console", "log", "show", ONE)
    assert walk.fixed[ONE] in log
    assert ONE in log


def test_usage_and_diagnostics(walk: Walk) -> None:
    used, listed = walk.cloud.openstack("usage", "show"), walk.cloud.openstack("usage", "list")
    (among_all,) = [project for project in listed if project["Project"] == used["Project"]]
    for usage in (used, among_all):
        assert {ONE, TWO} <= {server["name"] for server in usage["Servers"]}
        assert usage["CPU Hours"] > 0
    done = walk.cloud.openstack("server", "show", ONE, "--diagnostics")
    assert done["state"] == "running"
    assert done["cpu_details"][0]["time"] > 0
    assert done["disk_details"][0]["read_bytes"] > 0
    assert done["nic_details"][0]["rx_packets"] > 0


def test_stop_and_start(walk: Walk) -> None:
    run = walk.cloud.openstack
    run("server", "stop", ONE)
    _wait_server(walk, ONE, "SHUTOFF")
    run("server", "start", ONE)
    _wait_server(walk, ONE, "ACTIVE")
    walk.guests[ONE].wait()
    assert walk.fixed[ONE] in walk.guests[ONE].run("ip address show")


def test_delete_all_and_nothing_leaks(walk: Walk) -> None:
    run = walk.cloud.openstack
    run("server", "delete", ONE, TWO, THREE, "--wait")
    walk.wait_volume(VOLUME, "available")
    run("volume", "delete", VOLUME, ROOT_VOLUME)
    run("floating", "ip", "delete", *walk.addresses)
    run("router", "remove", "subnet", ROUTER, SUBNET)
    run("router", "delete", ROUTER)
    run("network", "delete", NETWORK)
    walk.cloud.openstack_together(("security", "group", "delete", GROUP), ("keypair", "delete", KEY))
    assert_as_before(walk.cloud, walk.before)


def _wait_server(walk: Walk, name: str, status: str, timeout_seconds: float = 90) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        seen = walk.cloud.openstack("server", "show", name)["status"]
        if seen == status:
            return
        assert seen != "ERROR", f"server {name} is in ERROR"
        assert time.monotonic() < deadline, f"server {name} is still {seen}, not {status}"
