"""The bus: typed messages between control plane and agents. Messages carry work; the truth stays in the database.

One face (``Bus``), two adapters: ``InProcessBus`` for the embedded cloud, ``rabbitmq.RabbitBus`` for several processes and hosts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from cloudd.kit.bus.inprocess import InProcessBus
from cloudd.kit.bus.message import Backlog, Handler, Handlers, Message, sender

__all__ = ["Backlog", "Bus", "Handler", "Handlers", "InProcessBus", "Message", "sender"]


class Bus(Protocol):
    """Work queues (a topic has one consumer of each message) and events (every subscriber gets a copy)."""

    async def start(self) -> None:
        """Begin to connect and to serve; returns at once, also while the broker is away."""

    def serve(self, topic: str, handlers: Handlers) -> None:
        """Answer the messages of a topic from now on. A handler may run twice for one message: it is idempotent."""

    def withdraw(self, topic: str) -> None:
        """Stop serving a topic; what was begun is finished."""

    async def call(self, topic: str, message: Message, timeout_seconds: float = 60) -> Any:
        """Send and wait for the reply. Raises the handler's condition, or Unreachable."""

    async def cast(self, topic: str, message: Message) -> None:
        """Send without an answer; lost when nobody serves the topic (a reconciler finds what that missed).

        Unreachable when the bus itself does not take it.
        """

    def subscribe(self, event: type[Message], handler: Handler, *, group: str = "") -> None:
        """Be told of each such event: this process gets a copy of its own, or, with a ``group``, one of the processes that
        subscribe in that group's name gets the group's (a service whose handler changes the database)."""

    async def publish(self, event: Message) -> None:
        """Tell every subscriber; errors there are theirs, and one that is away misses it unless it is a group."""

    async def backlog(self, topics: Iterable[str]) -> dict[str, Backlog]:
        """What waits for each of these topics and who takes from it; topics that nobody ever served are missing.

        Unreachable where no broker answers.
        """

    async def close(self) -> None:
        """Take no more, and finish what is under way."""
