"""One connection to a RabbitMQ cluster: to whichever of its nodes answers first, noticed dead within seconds."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from typing import Any
from urllib.parse import unquote, urlsplit

import aiormq
import msgspec
from aiormq.abc import AbstractChannel
from aiormq.connection import TransportFactory
from pamqp import commands
from yarl import URL

from cloudd.kit.bus.message import Backlog
from cloudd.kit.settings import SettingsError

#: A node that is switched off is noticed after this long: by the kernel, for what was sent is not acknowledged …
UNACKNOWLEDGED_SECONDS = 2.5
#: … which needs something to be sent: half of this apart. The broker gives a silent client up after twice this.
HEARTBEAT_SECONDS = 4
#: Between the attempts on two nodes, so that a dead one costs no more than this.
NEXT_NODE_SECONDS = 0.4
CONNECT_SECONDS = 10
#: Declaring and binding wait for a majority of the nodes.
DECLARE_SECONDS = 10


class Broker(msgspec.Struct, frozen=True):
    """Where the cluster is and who we are there, from ``amqp[s]://user:password@host[:port],host[:port]…/vhost``."""

    nodes: tuple[tuple[str, int], ...]
    user: str
    password: str
    vhost: str
    tls: ssl.SSLContext | None = None

    @classmethod
    def parse(cls, url: str, ca_path: str | None = None) -> Broker:
        """SettingsError for what is no such URL."""
        parts = urlsplit(url)
        credentials, _, hosts = parts.netloc.rpartition("@")
        user, _, password = credentials.partition(":")
        if parts.scheme not in ("amqp", "amqps") or not user or not hosts:
            raise SettingsError("bus.url: expected amqps://user:password@host:port,host:port/vhost")
        secure = parts.scheme == "amqps"
        try:
            nodes = tuple(_address(host, 5671 if secure else 5672) for host in hosts.split(","))
            context = ssl.create_default_context(cafile=ca_path) if secure else None
        except ValueError:
            raise SettingsError(f"bus.url: {hosts!r} is no list of host:port") from None
        except OSError as error:
            raise SettingsError(f"bus.ca_path: {ca_path}: {error.strerror}") from None
        return cls(nodes, unquote(user), unquote(password), unquote(parts.path.lstrip("/")) or "/", context)

    async def connect(self, name: str) -> aiormq.Connection:
        """Connect to a node: all are tried, one shortly after another, and the first to answer is taken.

        Raises the last node's error when none does.
        """
        nodes = random.sample(self.nodes, len(self.nodes))
        attempts: set[asyncio.Task[aiormq.Connection]] = set()
        failure: BaseException = ConnectionError("no node to connect to")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                while nodes or attempts:
                    if nodes:
                        attempts.add(asyncio.create_task(self._connect_to(*nodes.pop(), name)))
                    wait = NEXT_NODE_SECONDS if nodes else None
                    done, attempts = await asyncio.wait(attempts, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                    for attempt in done:
                        if attempt.exception() is None:
                            return attempt.result()
                        failure = attempt.exception() or failure
            raise failure
        finally:
            for attempt in attempts:
                attempt.add_done_callback(_close_late_comer)
                attempt.cancel()

    async def _connect_to(self, host: str, port: int, name: str) -> aiormq.Connection:
        scheme = "amqps" if self.tls else "amqp"
        url = URL.build(scheme=scheme, user=self.user, password=self.password, host=host, port=port)
        url = url.with_path(f"/{self.vhost.replace('/', '%2F')}", encoded=True).with_query(heartbeat=HEARTBEAT_SECONDS, name=name)
        connection = aiormq.Connection(url, transport_factory=_WatchedTransport(self.tls))
        try:
            await connection.connect()
        except BaseException:
            await connection.close()
            raise
        return connection


class _WatchedTransport(TransportFactory):
    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls

    async def create(self, url: URL, **_: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(url.host, url.port, ssl=self._tls)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNACKNOWLEDGED_SECONDS * 1000))
        return reader, writer


async def consume(channel: AbstractChannel, queue: str, consumer: Any, *, prefetch: int) -> str:
    """Take messages of a queue, ``prefetch`` at a time (0: as they come, without acknowledging). Returns the consumer's tag."""
    if prefetch:
        await channel.basic_qos(prefetch_count=prefetch, timeout=DECLARE_SECONDS)
    answer = await channel.basic_consume(queue, consumer, no_ack=not prefetch, timeout=DECLARE_SECONDS)
    return str(answer.consumer_tag)


async def declare_work_queue(channel: AbstractChannel, queue: str, exchange: str, key: str, delivery_limit: int) -> None:
    """A quorum queue: what it has confirmed survives the loss of a minority of the nodes."""
    arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-delivery-limit": delivery_limit}
    await channel.queue_declare(queue, durable=True, arguments=arguments, timeout=DECLARE_SECONDS)
    await channel.queue_bind(queue, exchange, key, timeout=DECLARE_SECONDS)


async def backlog_of(channel: AbstractChannel, queue: str) -> Backlog:
    """What waits in this queue, and how many processes take from it now."""
    answer = await channel.queue_declare(queue, passive=True, timeout=DECLARE_SECONDS)
    assert isinstance(answer, commands.Queue.DeclareOk)
    return Backlog(answer.message_count or 0, answer.consumer_count or 0)


def _address(text: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(text)
    return parts.hostname, parts.port or default_port


def _close_late_comer(attempt: asyncio.Task[aiormq.Connection]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        closing = asyncio.get_running_loop().create_task(attempt.result().close())
        _closings.add(closing)
        closing.add_done_callback(_closings.discard)


_closings: set[asyncio.Task[None]] = set()
