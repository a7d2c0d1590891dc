#!/usr/bin/python
"""Module `host_precheck`: finds everything about one host that would keep a cloud from being deployed on it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_precheck
short_description: Checks that a host can carry a cloud
description:
  - Looks and changes nothing. All problems are found in one go and each has a stable code, a reason and a remedy.
  - It does not fail because of them. M(peer_precheck) tells them together with those between hosts, so that one run shows everything.
options:
  networks:
    description: The CIDR of each network on which the host must have exactly one NIC, by the network's name.
    type: dict
    required: true
  cloud_networks:
    description: The networks of the cloud by name, each with its C(cidr); what RV(ansible_facts) tells of.
    type: dict
    default: {}
  virtual_address:
    description: An address that moves between hosts, and so says nothing about which NIC is on a network.
    type: str
    default: ""
  external_interface:
    description: The NIC of the external network, which must exist and carry no address. Empty when the host needs none.
    type: str
    default: ""
  ports:
    description: TCP ports the cloud will listen on, each C(port) with C(units), the systemd units that may hold it already.
    type: list
    elements: dict
    default: []
  memory_mib:
    description: Least memory of the host.
    type: int
    default: 0
  disk_gib:
    description: Least free space, in GiB, under each path.
    type: dict
    default: {}
  deployer_time:
    description: Seconds since 1970 on the deployment host, to compare clocks.
    type: float
  clock_skew_seconds:
    description: How far the clocks may be apart.
    type: int
    default: 30
  python:
    description: The interpreter for which the wheelhouse holds wheels, such as C(3.11).
    type: str
  architecture:
    description: The machine for which the wheelhouse holds wheels, such as C(x86_64).
    type: str
author:
  - The maintainers
attributes:
  check_mode:
    description: Changes nothing in either mode.
    support: full
"""

EXAMPLES = r"""
- name: Check the host
  host_precheck:
    networks: {management: 10.83.0.0/24}
    ports: [{port: 443, units: [cloudd-all.service]}]
"""

RETURN = r"""
ansible_facts:
  description: What module M(host_facts) tells, so that the run need not look again.
  type: dict
  returned: always
problems:
  description: What is wrong, each with C(code), C(reason) and C(remedy).
  type: list
  returned: always
view:
  description: >-
    What the other hosts must know of this one - C(networks), by name the C(interface), C(address), C(mac) and C(mtu) on each, and
    C(served), those of O(ports) on which a unit of the cloud listens already.
  type: dict
  returned: always
"""

import ipaddress
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.host_shape import shape_of

DEBIAN_RELEASE = 12
UBUNTU_RELEASE = 22.04
MIB = 1024**2
GIB = 1024**3


def problem(code, reason, remedy):
    """One thing that is wrong, in the shape the operator's command shows."""
    return {"code": code, "reason": reason, "remedy": remedy}


def system_problems(os_release, uid, booted_by_systemd):
    """The operating system is one we know, we are root on it, and systemd runs it."""
    name, release = os_release.get("ID", "?"), os_release.get("VERSION_ID", "")
    number = float(release) if re.fullmatch(r"\d+(\.\d+)?", release) else 999.0
    if not ((name == "debian" and number >= DEBIAN_RELEASE) or (name == "ubuntu" and number >= UBUNTU_RELEASE)):
        yield problem("host.os_unsupported", f"runs {name} {release}", "install Debian 12 or later, or Ubuntu 22.04 or later")
    if uid != 0:
        yield problem("host.not_root", "Ansible is not root here", "set ansible_user to root, or ansible_become to true, in the inventory")
    if not booted_by_systemd:
        yield problem("host.systemd_missing", "systemd is not the init system", "boot the host with systemd")


def wheel_problems(python, architecture):
    """The wheels that the deployment host builds fit this host's interpreter and machine."""
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if python and python != here:
        remedy = "run the deployment from a host of the same Debian release, or upgrade this one"
        yield problem("host.python_differs", f"has Python {here}, the wheelhouse is for {python}", remedy)
    if architecture and architecture != platform.machine():
        remedy = "run the deployment from a host of the same architecture"
        yield problem("host.architecture_differs", f"is {platform.machine()}, the wheelhouse is for {architecture}", remedy)


def find_networks(wanted, links, virtual=""):
    """For each network the interface and address inside its CIDR; and what is wrong where there is not exactly one.

    The virtual address is left out: it may be with another host tomorrow.
    """
    found, problems = {}, []
    for name, cidr in wanted.items():
        network = ipaddress.ip_network(cidr)
        addresses = [(link, address) for link in links for address in _addresses(link, virtual)]
        hits = {}
        for link, address in addresses:
            if ipaddress.ip_address(address) in network:
                # The first address is the host's own, as the deployment takes it; more of them on one NIC do no harm.
                hits.setdefault(link["ifname"], (link, address))
        if len(hits) == 1:
            interface, (link, address) = next(iter(hits.items()))
            found[name] = {"interface": interface, "address": address, "mac": link.get("address", ""), "mtu": link.get("mtu", 0)}
        elif hits:
            remedy = f"leave only one of them an address in {cidr}, or narrow cloud_networks.{name}.cidr"
            problems.append(
                problem("network.interface_ambiguous", f"{', '.join(sorted(hits))} are all on the {name} network {cidr}", remedy)
            )
        else:
            remedy = f"give one NIC an address in {cidr}, or mend cloud_networks.{name}.cidr in the inventory"
            problems.append(problem("network.interface_missing", f"no NIC has an address on the {name} network {cidr}", remedy))
    return found, problems


def external_interface_problems(name, links):
    """The external NIC is there and belongs to nobody: an address on it would be lost when the bridge takes it."""
    if not name:
        return
    link = next((link for link in links if link["ifname"] == name), None)
    if link is None:
        remedy = "name a free NIC in external_interface; `ip link` on the host lists them"
        yield problem("network.external_interface_missing", f"has no NIC named {name}", remedy)
    elif _addresses(link):
        remedy = "take the address away, or name another NIC in external_interface"
        yield problem("network.external_interface_has_address", f"{name} has the address {', '.join(_addresses(link))}", remedy)


def port_problems(ports, listeners):
    """Each port is free, or held by the unit of the cloud it is meant for. `listeners`: port → names of the units that hold it."""
    for wanted in ports:
        others = [unit for unit in listeners.get(int(wanted["port"]), []) if unit not in wanted.get("units", [])]
        if others:
            remedy = f"stop and disable {others[0]}, or give the cloud another port"
            yield problem("host.port_taken", f"port {wanted['port']} is held by {', '.join(others)}", remedy)


def served_ports(ports, listeners):
    """Those of the ports that a unit of the cloud holds already."""
    return sorted(int(wanted["port"]) for wanted in ports if set(listeners.get(int(wanted["port"]), [])) & set(wanted.get("units", [])))


def size_problems(memory_mib, memory_wanted_mib, disk_wanted_gib):
    """There is memory and disk enough. Paths on one file system need the sum of what each needs."""
    if memory_mib < memory_wanted_mib:
        remedy = "add memory, or lower prechecks_memory_mib if you know what you do"
        yield problem("host.memory_small", f"has {memory_mib} MiB of memory, {memory_wanted_mib} are needed", remedy)
    systems = {}
    for path in sorted(disk_wanted_gib):
        existing = next(parent for parent in (Path(path), *Path(path).parents) if parent.exists())
        systems.setdefault(existing.stat().st_dev, []).append((path, existing))
    for paths in systems.values():
        free, wanted = shutil.disk_usage(paths[0][1]).free / GIB, sum(float(disk_wanted_gib[path]) for path, _ in paths)
        if free < wanted:
            names = " and ".join(path for path, _ in paths)
            remedy = f"make room under {' and '.join(sorted({str(existing) for _, existing in paths}))}, or lower prechecks_disk_gib"
            yield problem("host.disk_small", f"{free:.1f} GiB are free for {names}, {wanted:g} are needed", remedy)


def clock_problems(offset_seconds, allowed_seconds):
    """Tokens and certificates carry times, so the clocks must agree."""
    if abs(offset_seconds) > allowed_seconds:
        remedy = "set the clock and keep it: apt-get install chrony (or systemd-timesyncd)"
        yield problem("host.clock_off", f"its clock is {offset_seconds:+.0f} s off the deployment host's", remedy)


def name_problems(names, resolves):
    """The host finds the package mirrors, or the proxy, that its own apt is told to use."""
    for name in sorted(names):
        if not resolves(name):
            remedy = f"mend /etc/resolv.conf or apt's sources, until `getent hosts {name}` answers"
            yield problem("host.name_unresolved", f"cannot resolve {name}, which apt needs", remedy)


def _addresses(link, virtual=""):
    """The host's own addresses on a link; those of the link itself (fe80::) and one that may move to another host are left out."""
    local = [info["local"] for info in link.get("addr_info", []) if info.get("scope") != "link" and "local" in info]
    return [address for address in local if address != virtual]


def read_os_release():
    """The fields of /etc/os-release by name."""
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines) if value}


def read_listeners(ports):
    """For each of the ports that something listens on: the systemd units, or else commands, that hold it."""
    inodes = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:] if Path(table).exists() else []:
            fields = line.split()
            port = int(fields[1].rpartition(":")[2], 16)
            if fields[3] == "0A" and port in ports:
                inodes[fields[9]] = port
    holders = {}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*") if inodes else []:
        try:
            target = descriptor.readlink().name
        except OSError:
            continue
        port = inodes.get(target[8:-1]) if target.startswith("socket:[") else None
        if port is not None:
            holders.setdefault(port, set()).add(_unit_of(descriptor.parent.parent, port))
    return {port: sorted(units) for port, units in holders.items()}


def _unit_of(process, port):
    """The systemd service a process belongs to, or the socket unit for which systemd itself listens; else the process's command."""
    if process.name == "1":
        listed = subprocess.run(["systemctl", "list-sockets", "--no-legend", "--full"], capture_output=True, text=True, check=False).stdout
        return socket_unit(listed, port)
    try:
        services = re.findall(r"([^/\n]+\.service)", (process / "cgroup").read_text(encoding="utf-8"))
        return services[-1] if services else (process / "comm").read_text(encoding="utf-8").strip()
    except OSError:
        return f"process {process.name}"


def socket_unit(listed, port):
    """The socket unit that listens on the port, from the lines of `systemctl list-sockets`."""
    lines = [line.split() for line in listed.splitlines()]
    return next((words[1] for words in lines if len(words) > 1 and words[0].rpartition(":")[2] == str(port)), "systemd")


def read_mirror_names():
    """The host names of apt's sources; of its proxy instead, when it goes through one, which resolves the others itself."""
    told = subprocess.run(["apt-config", "dump", "Acquire::http::Proxy"], capture_output=True, text=True, check=False).stdout
    proxy = re.search(r'"(https?://[^"]+)"', told)
    if proxy:
        return {urlsplit(proxy[1]).hostname} - {None}
    sources = [
        Path("/etc/apt/sources.list"),
        *Path("/etc/apt/sources.list.d").glob("*.list"),
        *Path("/etc/apt/sources.list.d").glob("*.sources"),
    ]
    lines = [
        line for path in sources if path.exists() for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    return {urlsplit(uri).hostname for line in lines for uri in re.findall(r"https?://[^\s\]]+", line)} - {None}


def resolves(name):
    """Whether the host's resolver knows the name."""
    try:
        return bool(socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM))
    except OSError:
        return False


def main():
    """Gather, judge, answer."""
    module = AnsibleModule(
        argument_spec={
            "networks": {"type": "dict", "required": True},
            "cloud_networks": {"type": "dict", "default": {}},
            "virtual_address": {"type": "str", "default": ""},
            "external_interface": {"type": "str", "default": ""},
            "ports": {"type": "list", "elements": "dict", "default": []},
            "memory_mib": {"type": "int", "default": 0},
            "disk_gib": {"type": "dict", "default": {}},
            "deployer_time": {"type": "float"},
            "clock_skew_seconds": {"type": "int", "default": 30},
            "python": {"type": "str"},
            "architecture": {"type": "str"},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    links = json.loads(module.run_command(["ip", "-json", "address", "show"], check_rc=True)[1])
    found, problems = find_networks(wanted["networks"], links, wanted["virtual_address"])
    memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB
    problems += system_problems(read_os_release(), os.geteuid(), Path("/run/systemd/system").is_dir())
    problems += wheel_problems(wanted["python"], wanted["architecture"])
    problems += external_interface_problems(wanted["external_interface"], links)
    listeners = read_listeners({int(port["port"]) for port in wanted["ports"]})
    problems += port_problems(wanted["ports"], listeners)
    problems += size_problems(memory_mib, wanted["memory_mib"], wanted["disk_gib"])
    problems += clock_problems(time.time() - wanted["deployer_time"] if wanted["deployer_time"] else 0.0, wanted["clock_skew_seconds"])
    problems += name_problems(read_mirror_names(), resolves)
    view = {"networks": found, "served": served_ports(wanted["ports"], listeners)}
    module.exit_json(changed=False, problems=problems, view=view, ansible_facts=shape_of(wanted["cloud_networks"], links))


if __name__ == "__main__":
    main()
