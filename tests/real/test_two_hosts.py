"""Two servers on two hosts: what one sends the other goes through the tunnel between them, whole and with the network's full MTU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import PREFIX, sweep
from tests.real.guest import Guest
from tests.real.quickstart import Quickstart

pytestmark = [pytest.mark.real, pytest.mark.several_hosts, pytest.mark.timeout(900)]

NAMES = (PREFIX + "here", PREFIX + "there")
TUNNEL_PACKETS = "for kind in vxlan geneve; do ovs-vsctl --bare --columns=statistics find interface type=$kind; done"


class Pair:
    """Two servers that a group keeps apart, with a floating IP each."""

    def __init__(self, cloud: Quickstart, key: Path) -> None:
        self.cloud = cloud
        connection: Any = cloud.connection
        group = connection.compute.create_server_group(name=PREFIX + "apart", policy="anti-affinity")
        rules = connection.network.create_security_group(name=PREFIX + "open")
        for protocol in ("icmp", "tcp"):
            connection.network.create_security_group_rule(
                security_group_id=rules.id, direction="ingress", ether_type="IPv4", protocol=protocol
            )
        connection.compute.create_keypair(name=PREFIX + "pair", public_key=Path(f"{key}.pub").read_text())
        made = [
            connection.compute.create_server(
                name=name,
                flavor_id=connection.compute.find_flavor("tiny").id,
                image_id=connection.image.find_image("tiny").id,
                networks=[{"uuid": connection.network.find_network("private").id}],
                security_groups=[{"name": rules.id}],
                key_name=PREFIX + "pair",
                scheduler_hints={"group": group.id},
            )
            for name in NAMES
        ]
        self.servers = [connection.compute.wait_for_server(server, wait=180) for server in made]
        self.fixed, self.guests = [], []
        for server in self.servers:
            port = next(iter(connection.network.ports(device_id=server.id)))
            public = connection.network.find_network("public").id
            floating_ip = connection.network.create_ip(floating_network_id=public, port_id=port.id, description=server.name)
            self.fixed.append(port.fixed_ips[0]["ip_address"])
            self.guests.append(Guest(floating_ip.floating_ip_address, key))
        self.group_id = group.id


@pytest.fixture(scope="module")
def pair(quickstart: Quickstart, guest_key: Path) -> Iterator[Pair]:
    """The pair, each of its guests up; removed at the end."""
    if len(list(quickstart.connection.compute.hypervisors())) < 2:
        pytest.skip("the cloud under test has one compute host")
    sweep(quickstart)
    pair = Pair(quickstart, guest_key)
    try:
        for guest in pair.guests:
            guest.wait(180)
        yield pair
    finally:
        sweep(quickstart)
        quickstart.connection.compute.delete_server_group(pair.group_id)


def test_the_group_keeps_them_apart(pair: Pair) -> None:
    hosts = [pair.cloud.connection.compute.get_server(server.id).hypervisor_hostname for server in pair.servers]
    assert len(set(hosts)) == 2, hosts


def test_they_reach_each_other_through_the_tunnel(pair: Pair) -> None:
    before = tunnel_packets(pair)
    for guest, other in ((pair.guests[0], pair.fixed[1]), (pair.guests[1], pair.fixed[0])):
        said = guest.run(f"ping -c 20 -i 0.2 -W 2 {other}")
        assert "20 packets transmitted, 20" in said, said
    assert tunnel_packets(pair) - before >= 40


def test_the_largest_packet_passes_and_no_larger_one(pair: Pair) -> None:
    guest, other = pair.guests[0], pair.fixed[1]
    mtu = int(guest.run("cat /sys/class/net/*/mtu | sort -n | head -1"))
    largest = mtu - 28
    assert guest.attempt(f"ping -c 2 -W 2 -s {largest} {other}").returncode == 0, f"no packet of {mtu} bytes passes"


def test_a_large_transfer_arrives_whole(pair: Pair) -> None:
    """TCP between guests hangs where checksums are left to hardware that is not there."""
    one, two = pair.guests
    one.run("dd if=/dev/urandom of=/tmp/data bs=1M count=4 2>/dev/null")
    two.run("(nc -l -p 7777 >/tmp/data </dev/null &) ; sleep 1")
    one.run(f"nc -w 20 {pair.fixed[1]} 7777 </tmp/data", timeout_seconds=90)
    two.run("sleep 2")
    assert one.run("sha256sum </tmp/data") == two.run("sha256sum </tmp/data")


def tunnel_packets(pair: Pair) -> int:
    """How many packets all hosts have sent through their tunnels so far."""
    words = " ".join(pair.cloud.on_hosts(TUNNEL_PACKETS).values()).split()
    return sum(int(word.removeprefix("tx_packets=")) for word in words if word.startswith("tx_packets="))
