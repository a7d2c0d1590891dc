"""Two servers on two hosts: what one sends the other goes through the tunnel between them, whole and with the network's full MTU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.conftest import PREFIX, sweep
from tests.real.quickstart import Quickstart
from tests.real.reachable import Reachable

pytestmark = [pytest.mark.real, pytest.mark.several_hosts, pytest.mark.timeout(900)]

NAMES = (PREFIX + "here", PREFIX + "there")
TUNNEL_PACKETS = "for kind in vxlan geneve; do ovs-vsctl --bare --columns=statistics find interface type=$kind; done"


class Pair:
    """Two servers that a group keeps apart, with a floating IP each."""

    def __init__(self, cloud: Quickstart, key: Path) -> None:
        self.cloud = cloud
        self.group_id = cloud.connection.compute.create_server_group(name=PREFIX + "apart", policy="anti-affinity").id
        self.servers = [Reachable(cloud, key, name, scheduler_hints={"group": self.group_id}) for name in NAMES]

    def wait(self) -> Pair:
        """Once both are up."""
        self.guests = [server.wait().guest for server in self.servers]
        self.fixed = [server.fixed_address for server in self.servers]
        return self


@pytest.fixture(scope="module")
def pair(quickstart: Quickstart, guest_key: Path, leak_check: None) -> Iterator[Pair]:
    """The pair, each of its guests up; removed at the end."""
    if len(list(quickstart.connection.compute.hypervisors())) < 2:
        pytest.skip("the cloud under test has one compute host")
    pair = Pair(quickstart, guest_key)
    try:
        yield pair.wait()
    finally:
        sweep(quickstart)
        quickstart.connection.compute.delete_server_group(pair.group_id)


def test_the_group_keeps_them_apart(pair: Pair) -> None:
    hosts = [server.show().hypervisor_hostname for server in pair.servers]
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
