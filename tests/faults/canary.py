"""Pings an instance by its floating IP, ten times a second, and counts what does not come back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import socket
import struct
import time
from dataclasses import dataclass, field

INTERVAL_SECONDS = 0.1
#: An answer later than this counts as lost.
PATIENCE_SECONDS = 1.0
#: So long every packet has to return before the way counts as whole: a guest that boots answers some and not others.
STEADY_SECONDS = 2.0
ECHO_REQUEST, ECHO_REPLY = 8, 0
#: Sequence numbers have 16 bits.
NUMBERS = 65536


@dataclass
class Canary:
    """`sent` and `returned` by number: monotonic seconds."""

    address: str
    sent: dict[int, float] = field(default_factory=dict)
    returned: dict[int, float] = field(default_factory=dict)

    async def run(self) -> None:
        """Until cancelled."""
        # A number of its own: connection tracking on the way remembers that of an earlier canary for half a minute.
        loop, identity = asyncio.get_running_loop(), secrets.randbelow(NUMBERS)
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as link:
            link.setblocking(False)
            link.connect((self.address, 0))
            loop.add_reader(link, self._receive, link, identity)
            try:
                for number in itertools.count():
                    head = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, identity, number % NUMBERS)
                    total = sum(struct.unpack("!4H", head))
                    checksum = ~(total % 0xFFFF) & 0xFFFF
                    self.sent[number] = time.monotonic()
                    # Where there is no way at the moment, it will not come back.
                    with contextlib.suppress(OSError):
                        link.send(struct.pack("!BBHHH", ECHO_REQUEST, 0, checksum, identity, number % NUMBERS))
                    await asyncio.sleep(INTERVAL_SECONDS)
            finally:
                loop.remove_reader(link)

    def _receive(self, link: socket.socket, identity: int) -> None:
        try:
            packet = link.recv(2048)
        except OSError:
            return
        offset = (packet[0] & 15) * 4
        kind, _, _, whose, number = struct.unpack_from("!BBHHH", packet, offset)
        if kind == ECHO_REPLY and whose == identity:
            newest = len(self.sent) - 1
            full = newest - (newest - number) % NUMBERS
            self.returned.setdefault(full, time.monotonic())

    async def steady(self, timeout_seconds: float) -> list[str]:
        """Wait until nothing is lost any more; otherwise a complaint when the time is up."""
        started = time.monotonic()
        await asyncio.sleep(STEADY_SECONDS + PATIENCE_SECONDS)
        while self.lost((now := time.monotonic()) - STEADY_SECONDS - PATIENCE_SECONDS, now):
            if now - started > timeout_seconds:
                return [f"the instance at {self.address} does not answer all pings"]
            await asyncio.sleep(INTERVAL_SECONDS)
        return []

    def lost(self, since: float, until: float) -> list[float]:
        """When those of the packets sent in that time left that did not return in time, in seconds after its beginning."""
        return [
            round(moment - since, 1)
            for number, moment in self.sent.items()
            if since <= moment <= until - PATIENCE_SECONDS and self.returned.get(number, float("inf")) - moment > PATIENCE_SECONDS
        ]
