"""What packets would do: ovn-northd turns what the engine wrote into flows, and ovn-trace sends packets through them."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from cloudd.network.drivers.base import (
    FixedIp,
    Nat,
    NetworkSpec,
    PortSpec,
    Route,
    RouterPort,
    RouterSpec,
    SecurityGroupSpec,
    SecurityRule,
)
from cloudd.network.drivers.ovn import OvnDriver
from tests.contract.network import specs
from tests.contract.network.conftest import SCHEMA

pytestmark = pytest.mark.skipif(shutil.which("ovn-northd") is None or not SCHEMA.exists(), reason="ovn-central is not installed")
Trace = Callable[[str, str], str]
ONE, TWO, ROUTER, OUTSIDE, METADATA = (f"fa:16:3e:00:00:{number:02x}" for number in range(1, 6))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """OVN's control plane, with one host that is a gateway."""
    path = tmp_path_factory.mktemp("ovn-central")
    quiet = ["-vconsole:off", "--no-chdir"]
    for name in ("nb", "sb"):
        subprocess.run(["ovsdb-tool", "create", f"{path}/{name}.db", str(SCHEMA.with_name(f"ovn-{name}.ovsschema"))], check=True)
    commands = [
        ["ovsdb-server", f"--remote=punix:{path}/{name}.sock", f"--unixctl={path}/{name}.ctl", *quiet, f"{path}/{name}.db"]
        for name in ("nb", "sb")
    ]
    northd = ["ovn-northd", f"--ovnnb-db=unix:{path}/nb.sock", f"--ovnsb-db=unix:{path}/sb.sock", f"--unixctl={path}/northd.ctl"]
    commands.append([*northd, f"--log-file={path}/northd.log", *quiet])
    surroundings = {"OVS_RUNDIR": str(path), "OVN_RUNDIR": str(path), "PATH": "/usr/bin:/usr/sbin:/bin"}
    running = [subprocess.Popen(command, env=surroundings) for command in commands]
    settings = ["hostname=host", 'other_config:ovn-bridge-mappings="external:br-ex"', "other_config:ovn-cms-options=enable-chassis-as-gw"]
    sbctl = ["ovn-sbctl", "--no-leader-only", f"--db=unix:{path}/sb.sock", "--timeout=10"]
    try:
        while not all((path / f"{name}.sock").exists() for name in ("nb", "sb")):
            assert all(process.poll() is None for process in running), "OVN ended at once"
            time.sleep(0.05)
        subprocess.run([*sbctl, "chassis-add", "host", "geneve", "192.0.2.200", "--", "set", "Chassis", "host", *settings], check=True)
        yield path
        assert not [line for line in (path / "northd.log").read_text().splitlines() if "|ERR|" in line or "|WARN|" in line]
    finally:
        for process in running:
            process.terminate()
            process.wait(10)


@pytest.fixture
async def trace(directory: Path) -> AsyncIterator[Trace]:
    """Two guests in a network, its metadata port, and a router to an external network with one floating IP."""
    driver = OvnDriver(f"unix:{directory}/nb.sock", f"unix:{directory}/sb.sock")
    await driver.start("22222222-2222-2222-2222-222222222222", lambda state: None, lambda: None)
    inside = specs.network(id="inside", subnets=(specs.subnet(id="s1"),))
    outside = NetworkSpec(id="outside", revision=1, name="", mtu=1500, network_type="flat", physical_network="external")
    rules = (
        SecurityRule(id="r1", direction="egress", ethertype="IPv4"),
        SecurityRule(id="r2", direction="ingress", ethertype="IPv4", protocol="tcp", port_range_min=22, port_range_max=22),
        SecurityRule(id="r3", direction="ingress", ethertype="IPv4", protocol="icmp", remote_group_id="group"),
    )
    await driver.sync_network(inside)
    await driver.sync_network(outside)
    await driver.sync_security_group(SecurityGroupSpec(id="group", revision=1, name="", rules=rules))
    for name, mac, address in (("one", ONE, "10.0.0.11"), ("two", TWO, "10.0.0.12")):
        guest = specs.port(inside, id=name, mac_address=mac, fixed_ips=(FixedIp("s1", address),), security_group_ids=("group",))
        await driver.sync_port(guest)
    for name, network, mac, role in (
        ("metadata", "inside", METADATA, "metadata"),
        ("leg", "inside", ROUTER, "router_interface"),
        ("gateway", "outside", OUTSIDE, "router_gateway"),
    ):
        fixed = (FixedIp("s1", "10.0.0.2"),) if role == "metadata" else ()
        await driver.sync_port(
            PortSpec(id=name, revision=1, name="", network_id=network, mac_address=mac, role=role, fixed_ips=fixed, port_security=False)
        )
    legs = (
        RouterPort(port_id="leg", mac_address=ROUTER, addresses=("10.0.0.1/24",), mtu=1442),
        RouterPort(port_id="gateway", mac_address=OUTSIDE, addresses=("192.0.2.5/24",), mtu=1500, gateway=True),
    )
    nats = (
        Nat(id="n1", kind="snat", external="192.0.2.5", logical="10.0.0.0/24"),
        Nat(id="n2", kind="dnat_and_snat", external="192.0.2.50", logical="10.0.0.11"),
    )
    await driver.sync_router(
        RouterSpec(
            id="r",
            revision=1,
            name="",
            ports=legs,
            nats=nats,
            routes=(Route("0.0.0.0/0", "192.0.2.1"),),
            gateway_physical_network="external",
        )
    )
    sync = ["ovn-nbctl", "--no-leader-only", f"--db=unix:{directory}/nb.sock", "--wait=sb", "--timeout=10", "sync"]
    await asyncio.to_thread(subprocess.run, sync, check=True)

    def send(network: str, packet: str) -> str:
        command = [
            "ovn-trace",
            "--no-leader-only",
            f"--db=unix:{directory}/sb.sock",
            "--minimal",
            f"network-{network}",
            f"{packet} && ip.ttl == 64",
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout

    yield send
    for kind, objects in (await driver.inventory()).items():
        for object_id in objects:
            await driver.delete(kind, object_id)
    await driver.stop()
    await asyncio.sleep(0)


def packet(port: str, macs: tuple[str, str], addresses: tuple[str, str], rest: str) -> str:
    ends = f"eth.src == {macs[0]} && eth.dst == {macs[1]} && ip4.src == {addresses[0]} && ip4.dst == {addresses[1]}"
    return f'inport == "{port}" && {ends} && {rest}'


async def test_packets_go_where_they_should(trace: Trace) -> None:
    lease = trace("inside", packet("one", (ONE, "ff:ff:ff:ff:ff:ff"), ("0.0.0.0", "255.255.255.255"), "udp.src == 68 && udp.dst == 67"))
    assert "offerip = 10.0.0.11" in lease
    assert "169.254.169.254/32, 10.0.0.2" in lease
    assert 'output("one")' in lease

    between = ((ONE, TWO), ("10.0.0.11", "10.0.0.12"))
    assert 'output("two")' in trace("inside", packet("one", *between, "tcp.dst == 22"))
    assert "output" not in trace("inside", packet("one", *between, "tcp.dst == 80"))
    assert 'output("two")' in trace("inside", packet("one", *between, "icmp4.type == 8"))
    assert "output" not in trace("inside", packet("one", (ONE, TWO), ("10.0.0.99", "10.0.0.12"), "tcp.dst == 22"))
    assert "output" not in trace("inside", packet("one", (TWO, ROUTER), ("10.0.0.11", "10.0.0.12"), "tcp.dst == 22"))

    assert 'output("metadata")' in trace("inside", packet("one", (ONE, METADATA), ("10.0.0.11", "169.254.169.254"), "tcp.dst == 80"))
    assert 'output("localnet-outside")' in trace("inside", packet("two", (TWO, ROUTER), ("10.0.0.12", "198.51.100.1"), "tcp.dst == 80"))
    inward = ("00:00:00:00:00:99", OUTSIDE), ("198.51.100.1", "192.0.2.50")
    reached = trace("outside", packet("localnet-outside", *inward, "tcp.dst == 22"))
    assert "ip4.dst=10.0.0.11" in reached
    assert 'output("one")' in reached
    assert "output" not in trace("outside", packet("localnet-outside", *inward, "tcp.dst == 80"))
