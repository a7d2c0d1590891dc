"""Plumbing without a host: listens on the loopback address, for tests and embedded clouds without networks."""

import socket

from cloudd.network.agent.plumbing import Plumbing
from cloudd.network.messages import ServedNetwork


class FakePlumbing(Plumbing):
    def __init__(self) -> None:
        self.networks: dict[str, ServedNetwork] = {}
        self.sockets: dict[str, socket.socket] = {}

    async def present(self) -> set[str]:
        return set(self.networks)

    async def plug(self, network: ServedNetwork) -> None:
        self.networks[network.network_id] = network

    async def unplug(self, network_id: str) -> None:
        self.networks.pop(network_id, None)
        self.sockets.pop(network_id, None)

    async def listen(self, network_id: str) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", 0))
        self.sockets[network_id] = listener
        return listener
