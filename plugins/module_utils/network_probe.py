"""What a host can find out about a network by its own packets: who answers, who holds an address, who speaks VRRP. IPv4."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import selectors
import socket
import struct
import time
from collections.abc import Collection

ARP, IP = 0x0806, 0x0800
VRRP = 112
VRRP_GROUP_MAC = bytes.fromhex("01005e000012")
ATTEMPTS = 3
ECHO_SECONDS = 0.4
PROBE_SECONDS = 0.25
# A lost first packet is sent again after a second.
CONNECT_SECONDS = 1.5
CALLS_AT_ONCE = 256
# From the kernel's headers; Python has no names for these.
PACKET_ADD_MEMBERSHIP, PACKET_MR_MULTICAST, SOL_PACKET = 1, 0, 263
IP_MTU_DISCOVER, IP_PMTUDISC_PROBE = 10, 3


def checksum(data: bytes) -> int:
    """The Internet's sum of 16-bit words."""
    words: tuple[int, ...] = struct.unpack(f"!{len(data) // 2}H", data)
    total = sum(words)
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def reach(source: str, targets: Collection[str], size_bytes: int) -> set[str]:
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
            until = time.monotonic() + ECHO_SECONDS
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


def swallowed(source: str, targets: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those of the (address, port) that neither take a TCP call nor say that nobody listens: something in between swallows it."""
    ordered = sorted(targets)
    batches = [ordered[start : start + CALLS_AT_ONCE] for start in range(0, len(ordered), CALLS_AT_ONCE)]
    return {target for batch in batches for target in _swallowed(source, batch)}


def _swallowed(source: str, targets: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
    shut: set[tuple[str, int]] = set()
    with selectors.DefaultSelector() as calls, contextlib.ExitStack() as links:
        waiting: dict[int, tuple[socket.socket, tuple[str, int]]] = {}
        for target in targets:
            link = links.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            link.setblocking(False)
            link.bind((source, 0))
            status = link.connect_ex(target)
            if status == errno.EINPROGRESS:
                calls.register(link, selectors.EVENT_WRITE)
                waiting[link.fileno()] = (link, target)
            elif status not in (0, errno.ECONNREFUSED):
                shut.add(target)
        until = time.monotonic() + CONNECT_SECONDS
        while waiting and (left := until - time.monotonic()) > 0:
            for key, _ in calls.select(left):
                link, target = waiting.pop(key.fd)
                calls.unregister(link)
                if link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) not in (0, errno.ECONNREFUSED):
                    shut.add(target)
        return shut | {target for _, target in waiting.values()}


def holders(interface: str, address: str) -> set[str]:
    """The MACs that answer ARP probes for an address on the interface's network; this host itself never does."""
    wanted = socket.inet_aton(address)
    found: set[str] = set()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP)) as link:
        link.bind((interface, ARP))
        mac = link.getsockname()[4]
        # A probe has no sender address, so that nobody's table is changed by it (RFC 5227).
        probe = bytes([255] * 6) + mac + struct.pack("!HHHBBH", ARP, 1, IP, 6, 4, 1) + mac + bytes(4) + bytes(6) + wanted
        for _ in range(ATTEMPTS):
            link.send(probe)
            until = time.monotonic() + PROBE_SECONDS
            while (left := until - time.monotonic()) > 0 and select.select([link], [], [], left)[0]:
                frame = link.recv(65536)
                if frame[20:22] == b"\x00\x02" and frame[28:32] == wanted and frame[22:28] != mac:
                    found.add(frame[22:28].hex(":"))
    return found


def routers(interface: str, seconds: float) -> set[tuple[str, int]]:
    """(source address, router id) of every VRRP advertisement heard on the interface's network."""
    heard: set[tuple[str, int]] = set()
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
