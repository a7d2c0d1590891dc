"""What a cloud's host and its books hold at one moment, so that two moments can be compared and what leaked has a name."""

from __future__ import annotations

import re
import time
from typing import Any

from tests.real.quickstart import Quickstart

# One line a thing: KIND NAME. Each kind is what one of the engines below the cloud keeps. The patch to a physical network is one a host: it
# comes with the first guest that needs it, and ovn-controller may keep it.
INSPECT = r"""
list() { kind=$1; shift; "$@" 2>/dev/null | sed "s|^|$kind |"; }
names() { list "$1" ovn-nbctl --no-leader-only --bare --columns="$2" list "$1" | grep -v "^$1 *$"; }
list domain virsh list --all --name | grep -v '^domain *$'
list password virsh secret-list | grep iscsi
list bridge-port ovs-vsctl list-ports br-int | grep -v patch-br-int-to-localnet
ip netns list 2>/dev/null | sed 's|^\([^ ]*\).*|netns \1|'
for link in /sys/class/net/tap*; do [ -e "$link" ] && echo "tap ${link##*/}"; done
for kind in Logical_Switch Logical_Switch_Port Logical_Router Logical_Router_Port Port_Group; do names $kind name; done
for kind in NAT ACL DHCP_Options Load_Balancer Address_Set; do names $kind _uuid; done
for room in instances volumes images; do list $room-file find /var/lib/cloudd/$room -mindepth 1 -printf '%P\n'; done
ps -C qemu-system-x86 -o args= | grep -o 'guest=[^,]*' | sed 's|^|qemu |'
true
"""

# What hosts keep of images for the next time is no one's loss; a file that is on its way lies deeper, or ends so.
KEPT_IMAGE = re.compile(r"(instances-file _base|volumes-file images)(/[^/]+(?<!\.part))?")


def things_on_host(cloud: Quickstart) -> set[str]:
    """Domains, ports, taps, OVN rows, files and processes of every host."""
    found = cloud.on_hosts(INSPECT)
    prefixes = {host: f"{host} " if len(found) > 1 else "" for host in found}
    lines = ((host, line.strip()) for host, said in found.items() for line in said.splitlines())
    return {prefixes[host] + line for host, line in lines if line and not KEPT_IMAGE.fullmatch(line)}


def things_in_books(cloud: Quickstart) -> set[str]:
    """Allocations of placement, and what quotas count as used."""
    connection = cloud.connection
    things = set()
    for provider in _json(connection.placement.get("/resource_providers"))["resource_providers"]:
        consumers = _json(connection.placement.get(f"/resource_providers/{provider['uuid']}/allocations"))["allocations"]
        things |= {f"allocation {consumer}" for consumer in consumers}
    compute = _json(connection.compute.get("/limits"))["limits"]["absolute"]
    volume = _json(connection.block_storage.get("/limits"))["limits"]["absolute"]
    things |= {
        f"quota {name} {value}" for name, value in {**compute, **volume}.items() if name.startswith("total") and name.endswith("Used")
    }
    for kind, found in (
        ("server", connection.compute.servers(details=False, all_projects=True)),
        ("volume", connection.block_storage.volumes(details=False, all_projects=True)),
        ("port", connection.network.ports()),
        ("network", connection.network.networks()),
        ("floating-ip", connection.network.ips()),
    ):
        things |= {f"{kind} {one.id}" for one in found}
    return things


def things(cloud: Quickstart) -> set[str]:
    """Everything that could leak."""
    return things_on_host(cloud) | things_in_books(cloud)


def assert_as_before(cloud: Quickstart, before: set[str], timeout_seconds: float = 60) -> None:
    """Wait until the host and the books hold exactly what they held before; say what is too much and what is missing."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        now = things(cloud)
        if now == before:
            return
        if time.monotonic() >= deadline:
            raise AssertionError(f"left behind: {sorted(now - before)}; gone: {sorted(before - now)}")
        time.sleep(2)


def _json(response: Any) -> Any:
    assert response.status_code == 200, f"{response.url}: {response.status_code} {response.text[:300]}"
    return response.json()
