#!/usr/bin/python
"""Module `peer_precheck`: finds what is wrong between hosts: addresses that two hold, peers that do not answer, paths too narrow."""

from __future__ import annotations

DOCUMENTATION = r"""
module: peer_precheck
short_description: Checks a host against the other hosts of its cloud and against strangers on its networks
description:
  - Looks and changes nothing. Sends ARP probes and ICMP echo requests, and listens for VRRP. IPv4 only; an IPv6 network is passed over.
options:
  networks:
    description: This host's C(interface), C(address), C(mac) and C(mtu) on each network, by its name, as M(host_precheck) returns it.
    type: dict
    required: true
  peers:
    description: The other hosts, each C(name) with C(networks) of the same shape.
    type: list
    elements: dict
    default: []
  tunnel_mtu:
    description: Least MTU of the tunnel network, on every NIC and on the way to every peer.
    type: int
    default: 1500
  virtual_address:
    description: The virtual address that this host may hold. Empty where it may hold none.
    type: str
    default: ""
  virtual_router_id:
    description: The VRRP id with which this host's keepalived will speak. 0 where it has none.
    type: int
    default: 0
  listen_seconds:
    description: How long to listen for somebody else's VRRP; a router speaks once a second.
    type: float
    default: 2.5
author:
  - The maintainers
attributes:
  check_mode:
    description: Changes nothing in either mode.
    support: full
"""

EXAMPLES = r"""
- name: Check the host against its peers
  peer_precheck:
    networks: {management: {interface: eth0, address: 10.83.0.11, mac: "52:54:00:00:00:11", mtu: 1500}}
    peers: [{name: ctl2, networks: {management: {interface: eth0, address: 10.83.0.12, mac: "52:54:00:00:00:12", mtu: 1500}}}]
"""

RETURN = r"""
problems:
  description: What is wrong, each with C(code), C(reason) and C(remedy).
  type: list
  returned: always
"""

import concurrent.futures
import contextlib
import ipaddress
import os
import select
import socket
import struct
import time

from ansible.module_utils.basic import AnsibleModule

ARP, IP = 0x0806, 0x0800
ICMP_HEADERS_BYTES = 28
ECHO_BYTES = 56
VRRP = 112
VRRP_GROUP_MAC = bytes.fromhex("01005e000012")
ATTEMPTS = 3
ATTEMPT_SECONDS = 0.4
# From the kernel's headers; Python has no names for these.
PACKET_ADD_MEMBERSHIP, PACKET_MR_MULTICAST, SOL_PACKET = 1, 0, 263
IP_MTU_DISCOVER, IP_PMTUDISC_PROBE = 10, 3


def problem(code, reason, remedy):
    """One thing that is wrong, in the shape the operator's command shows."""
    return {"code": code, "reason": reason, "remedy": remedy}


def shared_address_problems(networks, peers):
    """No address of this host is another host's too."""
    for peer in peers:
        for name, mine in networks.items():
            theirs = peer["networks"].get(name)
            if theirs and theirs["address"] == mine["address"]:
                remedy = "give each host an address of its own, and mend ansible_host in hosts.yml"
                yield problem("network.address_duplicate", f"{mine['address']} ({name}) is also {peer['name']}'s", remedy)


def mtu_problems(networks, tunnel_mtu):
    """The tunnel's NIC carries a guest's packet with the tunnel's own header around it."""
    tunnel = networks.get("tunnel")
    if tunnel and int(tunnel["mtu"]) < tunnel_mtu:
        remedy = f"set the NIC's MTU to {tunnel_mtu}, or lower prechecks_tunnel_mtu (guests get 58 less)"
        reason = f"{tunnel['interface']} on the tunnel network has MTU {tunnel['mtu']}, {tunnel_mtu} are needed"
        yield problem("network.mtu_small", reason, remedy)


def peer_problems(networks, peers, tunnel_mtu, reach):
    """Every peer answers on every network, and on the tunnel's also to packets of full size.

    `reach(source, targets, size_bytes)` tells who answered.
    """
    for name, mine in networks.items():
        others = {peer["networks"][name]["address"]: peer["name"] for peer in peers if name in peer["networks"]}
        others.pop(mine["address"], None)
        answered = reach(mine["address"], set(others), ECHO_BYTES)
        for address in sorted(set(others) - answered):
            remedy = f"look at cables, VLANs and firewalls; `ping -I {mine['interface']} {address}` here shows it"
            yield problem("network.peer_unreachable", f"{others[address]} ({address}) does not answer on the {name} network", remedy)
        if name == "tunnel" and int(mine["mtu"]) >= tunnel_mtu:
            for address in sorted(answered - reach(mine["address"], answered, tunnel_mtu - ICMP_HEADERS_BYTES)):
                example = f"ping -M do -s {tunnel_mtu - ICMP_HEADERS_BYTES} {address}"
                remedy = f"let every switch between the hosts carry {tunnel_mtu} bytes; `{example}` shows it"
                yield problem("network.path_mtu_small", f"packets of {tunnel_mtu} bytes do not reach {others[address]} ({address})", remedy)


def holder_problems(networks, peers, virtual_address, holders):
    """Nobody else answers for an address of ours; for the virtual one only hosts of this cloud.

    `holders(interface, address)` tells the MACs that answer.
    """
    for mine in networks.values():
        strangers = holders(mine["interface"], mine["address"]) - {mine["mac"]}
        # That another host of ours has it is told with that host's name.
        strangers -= {theirs["mac"] for peer in peers for theirs in peer["networks"].values() if theirs["address"] == mine["address"]}
        for mac in sorted(strangers):
            remedy = f"find the machine with {mac} and give it another address"
            yield problem("network.address_taken", f"{mac} answers for this host's address {mine['address']}", remedy)
    management = networks.get("management")
    if virtual_address and management:
        ours = {entry["mac"] for host in ({"networks": networks}, *peers) for entry in host["networks"].values()}
        for mac in sorted(holders(management["interface"], virtual_address) - ours):
            remedy = f"set api_address to a free address of the management network, or take it from the machine with {mac}"
            reason = f"{mac}, no host of this cloud, answers for api_address {virtual_address}"
            yield problem("network.virtual_address_taken", reason, remedy)


def vrrp_problems(networks, peers, router_id, seen):
    """Nobody else speaks VRRP with our id. `seen`: (source address, router id) of what was heard."""
    ours = {entry["address"] for host in ({"networks": networks}, *peers) for entry in host["networks"].values()}
    for source in sorted({source for source, other_id in seen if other_id == router_id and source not in ours}):
        remedy = "set keepalived_virtual_router_id to an id (1 to 255) that nobody on the management network uses"
        yield problem("network.vrrp_id_taken", f"{source}, no host of this cloud, speaks VRRP with id {router_id}", remedy)


def checksum(data):
    """The Internet's sum of 16-bit words."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def reach(source, targets, size_bytes):
    """Those of the targets that answer an echo request of that many bytes, sent whole from the source address."""
    waiting, identity = set(targets), os.getpid() & 0xFFFF
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as link:
        link.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
        link.bind((source, 0))
        for number in range(ATTEMPTS):
            body = bytes(size_bytes + size_bytes % 2)[:size_bytes]
            head = struct.pack("!BBHHH", 8, 0, 0, identity, number)
            packet = struct.pack("!BBHHH", 8, 0, checksum(head + body + bytes(size_bytes % 2)), identity, number) + body
            for target in waiting:
                # Too long for the NIC, or no way there: that is no answer.
                with contextlib.suppress(OSError):
                    link.sendto(packet, (target, 0))
            until = time.monotonic() + ATTEMPT_SECONDS
            while waiting and (left := until - time.monotonic()) > 0:
                if not select.select([link], [], [], left)[0]:
                    break
                answer, (sender, _) = link.recvfrom(65536)
                offset = (answer[0] & 15) * 4
                kind, identity_there = answer[offset], struct.unpack_from("!H", answer, offset + 4)[0]
                if kind == 0 and identity_there == identity and len(answer) - offset - 8 == size_bytes:
                    waiting.discard(sender)
            if not waiting:
                break
    return set(targets) - waiting


def holders(interface, address):
    """The MACs that answer ARP probes for an address on the interface's network; this host itself never does."""
    wanted, found = socket.inet_aton(address), set()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP)) as link:
        link.bind((interface, ARP))
        mac = link.getsockname()[4]
        # A probe has no sender address, so that nobody's table is changed by it (RFC 5227).
        probe = bytes([255] * 6) + mac + struct.pack("!HHHBBH", ARP, 1, IP, 6, 4, 1) + mac + bytes(4) + bytes(6) + wanted
        for _ in range(ATTEMPTS):
            link.send(probe)
            until = time.monotonic() + ATTEMPT_SECONDS
            while (left := until - time.monotonic()) > 0 and select.select([link], [], [], left)[0]:
                frame = link.recv(65536)
                if frame[20:22] == b"\x00\x02" and frame[28:32] == wanted and frame[22:28] != mac:
                    found.add(frame[22:28].hex(":"))
    return found


def routers(interface, seconds):
    """(source address, router id) of every VRRP advertisement heard on the interface's network."""
    heard = set()
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(IP)) as link:
        link.bind((interface, IP))
        index = socket.if_nametoindex(interface)
        link.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, struct.pack("iHH8s", index, PACKET_MR_MULTICAST, 6, VRRP_GROUP_MAC))
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and select.select([link], [], [], left)[0]:
            packet = link.recv(2048)
            offset = (packet[0] & 15) * 4
            if packet[9] == VRRP and len(packet) > offset + 1:
                heard.add((socket.inet_ntoa(packet[12:16]), packet[offset + 1]))
    return heard


def is_version_4(entry):
    """Whether a network's entry has an IPv4 address."""
    return ipaddress.ip_address(entry["address"]).version == 4


def main():
    """Probe side by side, judge, answer."""
    module = AnsibleModule(
        argument_spec={
            "networks": {"type": "dict", "required": True},
            "peers": {"type": "list", "elements": "dict", "default": []},
            "tunnel_mtu": {"type": "int", "default": 1500},
            "virtual_address": {"type": "str", "default": ""},
            "virtual_router_id": {"type": "int", "default": 0},
            "listen_seconds": {"type": "float", "default": 2.5},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    networks = {name: entry for name, entry in wanted["networks"].items() if is_version_4(entry)}
    # A peer whose own check failed has told no networks.
    peers = [
        {"name": peer["name"], "networks": {name: entry for name, entry in peer["networks"].items() if is_version_4(entry)}}
        for peer in wanted["peers"]
        if peer.get("networks")
    ]
    router_id, management = wanted["virtual_router_id"], networks.get("management")
    checks = [
        lambda: shared_address_problems(networks, peers),
        lambda: mtu_problems(networks, wanted["tunnel_mtu"]),
        lambda: peer_problems(networks, peers, wanted["tunnel_mtu"], reach),
        lambda: holder_problems(networks, peers, wanted["virtual_address"], holders),
    ]
    if router_id and management:
        checks.append(lambda: vrrp_problems(networks, peers, router_id, routers(management["interface"], wanted["listen_seconds"])))
    with concurrent.futures.ThreadPoolExecutor(len(checks)) as pool:
        problems = [found for answer in pool.map(lambda check: list(check()), checks) for found in answer]
    if problems:
        module.fail_json(msg="; ".join(f"[{p['code']}] {p['reason']}: {p['remedy']}" for p in problems), problems=problems)
    module.exit_json(changed=False, problems=[])


if __name__ == "__main__":
    main()
