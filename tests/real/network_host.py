"""A host of the network service in a namespace of its own: OVN, its switch in userspace, cloudd with its agent, and guests.

Run by test_network.py under `unshare --net --mount`, so that nothing of it touches the machine. Ends with 0 when all is well.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from cloudd import assembly
from cloudd.network.client import NetworkClient, PortView
from cloudd.network.messages import METADATA, MetadataReply, MetadataRequest
from tests import conftest
from tests.unit.network.steps import change, drop, interface, make, make_private, make_public, settled

SCHEMAS = {
    "nb": "/usr/share/ovn/ovn-nb.ovsschema",
    "sb": "/usr/share/ovn/ovn-sb.ovsschema",
    "conf": "/usr/share/openvswitch/vswitch.ovsschema",
}
HOST = "testhost"


def sh(command: str, check: bool = True) -> str:
    done = subprocess.run(command, check=False, shell=True, capture_output=True, text=True, timeout=60)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def start_ovn(directory: Path) -> list[subprocess.Popen[bytes]]:
    os.environ.update(OVS_RUNDIR=str(directory), OVN_RUNDIR=str(directory), OVS_LOGDIR=str(directory), OVN_LOGDIR=str(directory))
    running = []
    for name, schema in SCHEMAS.items():
        sh(f"ovsdb-tool create {directory}/{name}.db {schema}")
        socket = directory / ("db.sock" if name == "conf" else f"{name}.sock")
        running.append(
            subprocess.Popen(
                ["ovsdb-server", f"--remote=punix:{socket}", f"--unixctl={directory}/{name}.ctl", "-vconsole:off", f"{directory}/{name}.db"]
            )
        )
        while not socket.exists():
            assert running[-1].poll() is None
    sh("ovs-vsctl --no-wait init")
    running.append(subprocess.Popen(["ovs-vswitchd", "--disable-system", f"--log-file={directory}/vswitchd.log", "-vconsole:off"]))
    northd = ["ovn-northd", f"--ovnnb-db=unix:{directory}/nb.sock", f"--ovnsb-db=unix:{directory}/sb.sock", "-vconsole:off"]
    running.append(subprocess.Popen(northd))
    for bridge in ("br-int", "br-ex"):
        sh(f"ovs-vsctl --timeout=20 add-br {bridge} -- set bridge {bridge} datapath_type=netdev")
    settings = {
        "system-id": "chassis-1",
        "hostname": HOST,
        "ovn-remote": f"unix:{directory}/sb.sock",
        "ovn-encap-type": "geneve",
        "ovn-encap-ip": "127.0.0.1",
        "ovn-bridge-datapath-type": "netdev",
        "ovn-bridge-mappings": "external:br-ex",
        "ovn-cms-options": "enable-chassis-as-gw",
    }
    sh("ovs-vsctl set open . " + " ".join(f"external_ids:{name}={value}" for name, value in settings.items()))
    running.append(
        subprocess.Popen(["ovn-controller", f"unix:{directory}/db.sock", f"--log-file={directory}/controller.log", "-vconsole:off"])
    )
    return running


async def plug_guest(name: str, port: PortView) -> None:
    """A namespace as the guest, with an interface of the switch as its NIC, which asks for its address by DHCP."""
    link = f"nic{name}"
    await run(f"ip netns add {name}")
    await run(f"ovs-vsctl add-port br-int {link} -- set Interface {link} type=internal external_ids:iface-id={port.port_id}")
    await run(f"ip link set {link} netns {name}")
    await run(f"ip -n {name} link set {link} address {port.mac_address} mtu {port.mtu}")
    await run(f"ip -n {name} link set lo up; ip -n {name} link set {link} up; ip netns exec {name} ethtool -K {link} tx off")


LEASE_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add $ip/$mask dev $interface
echo "$staticroutes" > /tmp/lease-$interface
set -- $staticroutes
while [ $# -ge 2 ]; do ip route replace $1 via $2 dev $interface; shift 2; done
"""


async def lease(name: str, directory: Path) -> None:
    script = directory / "lease.sh"
    script.write_text(LEASE_SCRIPT)
    script.chmod(0o755)
    await run(f"ip netns exec {name} busybox udhcpc -i nic{name} -q -n -t 15 -T 1 -O staticroutes -s {script}")


async def run(command: str, check: bool = True) -> str:
    return await asyncio.to_thread(sh, command, check)


async def eventually(command: str, wanted: bool = True) -> None:
    """The command succeeds (or fails) within ten seconds."""
    for _ in range(20):
        done = await asyncio.to_thread(subprocess.run, command, shell=True, capture_output=True)
        if (done.returncode == 0) == wanted:
            return
        await asyncio.sleep(0.5)
    raise AssertionError(f"`{command}` {'failed' if wanted else 'succeeded'}: {done.stdout!r} {done.stderr!r}")


async def start_cloud(directory: Path) -> conftest.EmbeddedCloud:
    services = ("identity", "network")
    settings = conftest.settings_for(directory, services)
    network = {"driver": "ovn", "ovn_northbound": f"unix:{directory}/nb.sock", "ovn_southbound": f"unix:{directory}/sb.sock"}
    values: dict[str, Any] = {
        "database": {"url": f"sqlite:///{directory}/cloudd.db"},
        "api": {"public_url": "http://cloud"},
        "host": {"name": HOST},
        "identity": {"token_keys": [conftest.TOKEN_KEY], "argon2_memory_kib": 8, "argon2_passes": 1},
        "network": network,
    }
    settings = type(settings)(values)
    return await conftest.start_cloud(settings, services)


async def metadata(request: MetadataRequest) -> MetadataReply:
    return MetadataReply(status=200, body=f"{request.network_id} {request.address} {request.path}\n".encode())


async def walk(directory: Path) -> None:
    cloud = await start_cloud(directory)
    cloud.cloud.bus.serve(METADATA, {MetadataRequest: metadata})
    client = cloud.cloud.client(NetworkClient)
    ctx = await cloud.process.app().apps["network"].authenticator.authenticate(cloud.tokens["demo"], "req-1")  # type: ignore[attr-defined]

    public, _ = await make_public(cloud)
    network, subnet = await make_private(cloud)
    router = await make(cloud, "routers", external_gateway_info={"network_id": public["id"]})
    await interface(cloud, router["id"], subnet_id=subnet["id"])
    await run("ip address add 192.0.2.1/24 dev br-ex; ip link set br-ex up; ip link set lo up; ethtool -K br-ex tx off", check=False)
    guests = {}
    for name in ("g1", "g2"):
        plan = (await client.resolve_requests(ctx, "auto"))[0]
        guests[name] = await client.create_port(plan, f"server-{name}", HOST)
        await plug_guest(name, guests[name])
    await settled(cloud)
    for name, port in guests.items():
        await lease(name, directory)
        print(name, "leased", port.fixed_ips[0].ip_address, flush=True)
        assert port.fixed_ips[0].ip_address in await run(f"ip -n {name} -4 address show nic{name}")
        assert (await client.port(ctx, port.port_id)).status == "ACTIVE"
    one, two = (port.fixed_ips[0].ip_address for port in guests.values())
    await eventually(f"ip netns exec g1 ping -c1 -W1 {two}")
    print("the default group lets its members ping each other", flush=True)

    url = "http://169.254.169.254/latest/meta-data/"
    await eventually(f"ip netns exec g1 curl -sf -m 3 {url}")
    assert await run(f"ip netns exec g1 curl -sf -m 3 {url}") == f"{network['id']} {one} /latest/meta-data/\n"
    print("metadata knows who asks", flush=True)

    await eventually("ip netns exec g2 ping -c1 -W1 192.0.2.1")
    print("a guest reaches the outside", flush=True)
    floating = await make(cloud, "floatingips", floating_network_id=public["id"], port_id=guests["g1"].port_id)
    await eventually(f"ping -c1 -W1 {floating['floating_ip_address']}", wanted=False)
    group = guests["g1"].security_group_ids[0]
    rule = await make(cloud, "security-group-rules", security_group_id=group, direction="ingress", protocol="icmp")
    await eventually(f"ping -c1 -W1 {floating['floating_ip_address']}")
    print("the floating IP answers once a rule lets it", flush=True)
    await drop(cloud, "security-group-rules", rule["id"])
    await eventually(f"ping -c1 -W1 {floating['floating_ip_address']}", wanted=False)
    print("and no more when the rule is gone", flush=True)

    await cloud.process.agents[0].stop()
    await run(f"ip netns del ovnmeta-{network['id']}")
    await cloud.process.agents[0].start()
    await eventually(f"ip netns exec g2 curl -sf -m 3 {url}")
    print("the agent rebuilt what was lost", flush=True)

    await run(f"ovn-nbctl --no-leader-only --db=unix:{directory}/nb.sock ls-del network-{network['id']}")
    heal = next(item for service in cloud.process.services for item in service.reconcilers if item.name == "network.heal")
    await heal.run()
    await eventually(f"ip netns exec g1 ping -c1 -W1 {two}")
    print("the reconciler rebuilt the network", flush=True)

    await drop(cloud, "floatingips", floating["id"])
    for port in guests.values():
        await client.delete_port(port.port_id)
    await interface(cloud, router["id"], "remove", subnet_id=subnet["id"])
    await change(cloud, "routers", router["id"], external_gateway_info={})
    await drop(cloud, "routers", router["id"])
    await drop(cloud, "networks", network["id"])
    await drop(cloud, "networks", public["id"], as_="admin")
    await settled(cloud)
    await eventually("ip netns list | grep -q ovnmeta", wanted=False)
    await eventually("ovs-vsctl list-ports br-int | grep -q ^meta", wanted=False)
    left = [
        table
        for table in ("Logical_Switch", "Logical_Switch_Port", "Logical_Router", "DHCP_Options", "NAT")
        if await run(f"ovn-nbctl --no-leader-only --db=unix:{directory}/nb.sock --bare --columns=_uuid list {table}")
    ]
    assert left == [], left
    print("nothing is left", flush=True)
    await cloud.http.aclose()
    await cloud.process.stop()


def main() -> None:
    directory = Path(sys.argv[1])
    assembly.declare_settings(("identity", "network"))
    running = start_ovn(directory)
    try:
        asyncio.run(walk(directory))
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(10)


if __name__ == "__main__":
    main()
