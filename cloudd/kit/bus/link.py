"""The standing connection to the bus: kept up to whichever node answers, with an inbox for answers and a channel to publish on."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import aiormq
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import AMQPError, ChannelAccessRefused, ChannelInvalidStateError, PublishError
from pamqp import commands

from cloudd.kit.bus.broker import CONNECT_SECONDS, DECLARE_SECONDS, Broker, backlog_of, consume
from cloudd.kit.bus.message import AGENT_PREFIX, Backlog
from cloudd.kit.errors import RemoteFailure, Unreachable

log = logging.getLogger(__name__)
# The library tells of each attempt at each node; we tell of an outage once.
logging.getLogger("aiormq.connection").setLevel(logging.CRITICAL)

CONTROL, AGENTS, REPLIES, EVENTS = "cloudd.control", "cloudd.agents", "cloudd.replies", "cloudd.events"

#: What says that a connection or channel has broken.
BROKEN = (AMQPError, ConnectionError, ChannelInvalidStateError, TimeoutError, asyncio.InvalidStateError)


class Session:
    """What lives as long as one connection."""

    def __init__(self, connection: aiormq.Connection, publisher: AbstractChannel, reader: AbstractChannel, inbox: str) -> None:
        self.connection = connection
        self.publisher = publisher
        self.reader = reader
        self.inbox = inbox
        self.lock = asyncio.Lock()
        self.asker: AbstractChannel | None = None
        self.tasks: set[asyncio.Task[Any]] = set()

    @property
    def is_open(self) -> bool:
        return self.connection.is_opened

    async def publisher_again(self) -> AbstractChannel:
        """The channel to publish on; a new one when the broker closed it over somebody's forbidden message."""
        async with self.lock:
            if self.publisher.is_closed:
                self.publisher = await self.connection.channel()
            return self.publisher

    async def backlog(self, queue: str) -> Backlog:
        async with self.lock:
            if self.asker is None or self.asker.is_closed:
                self.asker = await self.connection.channel(publisher_confirms=False)
            return await backlog_of(self.asker, queue)


class Link:
    """Connects, and connects again. ``on_message`` is given what comes to the inbox, ``on_up`` each new session.

    ``events``: names of the events of which the inbox gets a copy.
    """

    def __init__(
        self,
        broker: Broker,
        events: Callable[[], list[str]],
        on_message: Callable[[DeliveredMessage], Awaitable[None]],
        on_up: Callable[[Session], None],
    ) -> None:
        self.broker = broker
        self.session: Session | None = None
        self._events = events
        self._on_message = on_message
        self._on_up = on_up
        self._declares = not broker.user.startswith(AGENT_PREFIX)
        self._up = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closing = False

    def open(self) -> None:
        """Begin to connect; nothing when that was begun already."""
        if self._keeper is None and not self._closing:
            self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        self._closing = True
        if self.session is not None:
            await self.session.connection.close()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def connected(self, patience: float, topic: str) -> Session:
        """The session; waits for one. Unreachable after ``patience`` seconds."""
        self.open()
        if self.session is None or not self.session.is_open:
            try:
                async with asyncio.timeout(max(patience, 0)):
                    while self.session is None or not self.session.is_open:
                        await self._up.wait()
                        await asyncio.sleep(0.02)
            except TimeoutError:
                raise Unreachable(topic=topic, reason="no node of the bus answers") from None
        return self.session

    async def publish(self, exchange: str, key: str, body: bytes, properties: commands.Basic.Properties, patience: float) -> None:
        """Publish and wait until the broker has it safe. PublishError where no queue takes it, Unreachable where no broker does."""
        deadline = time.monotonic() + patience
        refused = False
        while True:
            session = await self.connected(deadline - time.monotonic(), key)
            try:
                async with asyncio.timeout(max(deadline - time.monotonic(), 0.05)):
                    channel = await session.publisher_again()
                    confirmation = await channel.basic_publish(
                        body, exchange=exchange, routing_key=key, properties=properties, mandatory=True
                    )
                if isinstance(confirmation, commands.Basic.Ack):
                    return
            except PublishError:
                raise
            except ChannelAccessRefused as error:
                # It may have been another's message that closed the channel: once more on a new one tells.
                if refused:
                    raise RemoteFailure(reason=f"The bus refuses what {self.broker.user} sends to {key}: {error}") from None
                refused = True
                continue
            except BROKEN as error:
                log.debug("publishing to %s again: %r", key, error)
            if time.monotonic() >= deadline:
                raise Unreachable(topic=key, reason="the bus did not confirm the message in time")
            await asyncio.sleep(0.05)

    async def _keep(self) -> None:
        """Stay connected."""
        complained = False
        while not self._closing:
            try:
                async with asyncio.timeout(CONNECT_SECONDS + DECLARE_SECONDS):
                    session = await self._connect()
            except Exception as error:
                if not complained:
                    log.warning("no node of the bus answers (%s: %s); trying on", type(error).__name__, error)
                complained = True
                await asyncio.sleep(0.3)
                continue
            log.info("connected to the bus at %s:%s", session.connection.url.host, session.connection.url.port)
            complained = False
            self.session = session
            self._up.set()
            self._on_up(session)
            # Without its inbox a session is of no use either.
            await asyncio.wait((session.connection.closing, session.reader.closing), return_when=asyncio.FIRST_COMPLETED)
            self._up.clear()
            self.session = None
            await session.connection.close()
            for task in session.tasks:
                task.cancel()
            if not self._closing:
                log.warning("lost the connection to the bus; connecting to any node")

    async def _connect(self) -> Session:
        connection = await self.broker.connect(f"cloudd {self.broker.user}")
        try:
            publisher = await connection.channel()
            if self._declares:
                for name, kind in ((CONTROL, "topic"), (AGENTS, "topic"), (REPLIES, "direct"), (EVENTS, "topic")):
                    await publisher.exchange_declare(name, exchange_type=kind, durable=True)
            inbox = f"reply.{self.broker.user}.{uuid.uuid4()}"
            reader = await connection.channel(publisher_confirms=False)
            await reader.queue_declare(inbox, exclusive=True, auto_delete=True)
            await reader.queue_bind(inbox, REPLIES, inbox)
            for name in self._events():
                await reader.queue_bind(inbox, EVENTS, name)
            await consume(reader, inbox, self._on_message, prefetch=0)
        except BaseException:
            await connection.close()
            raise
        return Session(connection, publisher, reader, inbox)
