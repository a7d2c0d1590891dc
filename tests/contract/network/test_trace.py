"""What packets would do: ovn-northd turns what the engine wrote into flows, and ovn-trace sends packets through them."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from cloudd.network.drivers.base import (
    Chassis,
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
from tests.contract.network.nbctl import Nbctl

pytestmark = pytest.mark.skipif(shutil.which("ovn-northd") is None or not SCHEMA.exists(), reason="ovn-central is not installed")
Trace = Callable[[str, str], str]
change = msgspec.structs.replace
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
        subprocess.run(
            [*sbctl, "chassis-add", "inner", "geneve", "192.0.2.201", "--", "set", "Chassis", "inner", "hostname=inner"], check=True
        )
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


@pytest.fixture
async def ovn(directory: Path) -> AsyncIterator[OvnDriver]:
    driver = OvnDriver(f"unix:{directory}/nb.sock", f"unix:{directory}/sb.sock")
    await driver.start("33333333-3333-3333-3333-333333333333", lambda state: None, lambda: None)
    yield driver
    for kind, objects in (await driver.inventory()).items():
        for object_id in objects:
            await driver.delete(kind, object_id)
    await driver.stop()


def southbound(directory: Path) -> Nbctl:
    """What the hosts are told, once it has all been translated."""
    Nbctl(f"unix:{directory}/nb.sock")("--wait=sb", "sync")
    return Nbctl(f"unix:{directory}/sb.sock", "ovn-sbctl")


async def test_a_port_that_moves_is_on_two_hosts_for_a_while(ovn: OvnDriver, directory: Path) -> None:
    network = specs.network()
    port = specs.port(network, host="host")
    await ovn.sync_network(network)
    await ovn.sync_port(port)
    told = southbound(directory)
    names = {row["name"]: row["_uuid"] for row in told.rows("Chassis")}

    def binding() -> tuple[object, object, str]:
        (row,) = [row for row in southbound(directory).rows("Port_Binding") if row["logical_port"] == port.id]
        return row["requested_chassis"], row["requested_additional_chassis"], dict(row["options"][1]).get("activation-strategy", "")

    assert binding() == (names["host"], ["set", []], "")
    await ovn.sync_port(change(port, revision=2, destination="inner"))
    assert binding() == (names["host"], names["inner"], "rarp")
    await ovn.sync_port(change(port, revision=3, host="inner"))
    assert binding() == (names["inner"], ["set", []], "")
    await ovn.sync_port(change(port, revision=4, host=""))
    assert binding() == (["set", []], ["set", []], "")


async def test_a_floating_ip_is_where_its_server_is_if_that_host_can_reach_the_outside(ovn: OvnDriver, directory: Path) -> None:
    nat = Nat(id="f", kind="dnat_and_snat", external="192.0.2.60", logical="10.0.0.10", logical_port="p", external_mac=ONE, host="host")
    router = specs.router(nats=(nat,), gateway_physical_network="external")
    nbctl = Nbctl(f"unix:{directory}/nb.sock")
    for revision, (host, distributed) in enumerate((("host", True), ("inner", False), ("", False), ("host", True)), 1):
        await ovn.sync_router(change(router, revision=revision, nats=(change(nat, host=host),)))
        (row,) = nbctl.rows("NAT")
        assert (row["logical_port"], row["external_mac"]) == (("p", ONE) if distributed else (["set", []], ["set", []]))


async def test_gateways_follow_the_hosts(ovn: OvnDriver, directory: Path) -> None:
    told = Nbctl(f"unix:{directory}/sb.sock", "ovn-sbctl")
    nbctl = Nbctl(f"unix:{directory}/nb.sock")
    routers = [specs.router(gateway_physical_network="external") for _ in range(12)]

    def groups() -> dict[str, list[str]]:
        """By router its gateway hosts, the best first."""
        hosts = {row["_uuid"][1]: (-row["priority"], row["chassis_name"]) for row in nbctl.rows("HA_Chassis")}
        found = {}
        for row in nbctl.rows("HA_Chassis_Group"):
            kind, value = row["ha_chassis"]
            ids = [item[1] for item in value] if kind == "set" else [value]
            found[row["name"]] = [name for _, name in sorted(hosts[item] for item in ids)]
        return found

    for router in routers:
        await ovn.sync_router(router)
    assert set(map(tuple, groups().values())) == {("host",)}
    settings = ["hostname=second", "other_config:ovn-bridge-mappings=external:br-ex", "other_config:ovn-cms-options=enable-chassis-as-gw"]
    told("chassis-add", "second", "geneve", "192.0.2.202", "--", "set", "Chassis", "second", *settings)
    try:
        await until(ovn.chassis, lambda hosts: len(hosts) == 3)
        assert [await ovn.sync_router(router) for router in routers] == [True] * 12
        first = [hosts[0] for hosts in groups().values()]
        assert set(map(len, groups().values())) == {2}
        assert 2 <= first.count("second") <= 10
        southbound(directory)
        assert len(told.rows("HA_Chassis_Group")) >= 12
    finally:
        told("chassis-del", "second")
    await until(ovn.chassis, lambda hosts: len(hosts) == 2)
    assert [await ovn.sync_router(router) for router in routers] == [True] * 12
    assert set(map(tuple, groups().values())) == {("host",)}


async def test_hosts_that_do_not_answer_are_told_apart(ovn: OvnDriver, directory: Path) -> None:
    told = Nbctl(f"unix:{directory}/sb.sock", "ovn-sbctl")
    await ovn.ask_for_life()
    southbound(directory)
    asked = told.rows("SB_Global")[0]["nb_cfg"]
    now = int(time.time() * 1000)
    for name, answered, moment in (("host", asked, now), ("inner", 0, now - 120_000)):
        chassis = told("get", "Chassis", name, "_uuid")
        told("create", "Chassis_Private", f"name={name}", f"chassis={chassis}", f"nb_cfg={answered}", f"nb_cfg_timestamp={moment}")
    try:
        hosts = await until(ovn.chassis, lambda hosts: any(host.heartbeat for host in hosts))
        assert {host.name: host.alive for host in hosts} == {"host": True, "inner": False}
    finally:
        for name in ("host", "inner"):
            told("destroy", "Chassis_Private", name)


async def until(ask: Callable[[], Awaitable[list[Chassis]]], good: Callable[[list[Chassis]], bool]) -> list[Chassis]:
    for _ in range(100):
        found = await ask()
        if good(found):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(found)
