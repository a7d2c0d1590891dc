"""What the metadata agent asks of its host: a place in a network from which it can listen."""

import abc
import socket

from cloudd.network.messages import ServedNetwork


class PlumbingError(Exception):
    """A command on the host failed; the text has its output."""


class Plumbing(abc.ABC):
    """Every call may be repeated; all raise PlumbingError."""

    @abc.abstractmethod
    async def present(self) -> set[str]:
        """Ids of the networks that have been plugged on this host, by whomever and whenever."""

    @abc.abstractmethod
    async def plug(self, network: ServedNetwork) -> None:
        """Give the host its place in the network, with the addresses of the metadata port; corrects what differs."""

    @abc.abstractmethod
    async def unplug(self, network_id: str) -> None:
        """Take the place away with all that belongs to it."""

    @abc.abstractmethod
    async def listen(self, network_id: str) -> socket.socket:
        """A listening socket on the metadata service's address and port in that network."""
