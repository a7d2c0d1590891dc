"""The bus over RabbitMQ: a quorum queue for each topic, an exchange for each direction, and one inbox for each process.

- ``cloudd.control``: to the control plane; its workers share the queue ``<service>.control``.
- ``cloudd.agents``: to hosts; each has its own queues ``<service>.agent.<host>``, which no other host may read.
- ``cloudd.replies``: to the inbox of whoever called.
- ``cloudd.events``: a copy to each process of the control plane that subscribed, or one to each group of them.

What was confirmed survives a node: a message is acknowledged after it was handled, so it comes again when that did not
happen, and a call under way when the connection breaks is sent again under its id. The receiver knows the ids of what it
does and has lately done, and answers such a message without doing it twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any

import msgspec
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity, PublishError
from pamqp import commands

from cloudd.kit.bus.broker import Broker, consume, declare_work_queue
from cloudd.kit.bus.link import AGENTS, BROKEN, CONTROL, EVENTS, REPLIES, Link, Session
from cloudd.kit.bus.message import Backlog, Handler, Handlers, Known, Message, answer_with, by_name, decode_answer, encode, refusal, sender
from cloudd.kit.errors import Condition, RemoteFailure, Unreachable

log = logging.getLogger(__name__)

#: A cast that nobody took by then is of no use any more.
CAST_SECONDS = 60.0
#: How long a sender waits for a broker that is away.
PATIENCE_SECONDS = 15.0
EVENT_PATIENCE_SECONDS = 5.0
#: How long a call waits for somebody to serve a topic that nobody serves: a restart takes about that long.
ABSENCE_SECONDS = 5.0
WATCH_SECONDS = 2.5
#: A message that has come so often and was never acknowledged kills whoever handles it.
DELIVERY_LIMIT = 5
PREFETCH = 100
#: How long the answer to a message is kept for the case that it comes again.
ANSWER_KEPT_SECONDS = 120.0
#: How long ``close`` waits for what is under way; after that the broker hands it to another, or to the next process.
FINISH_SECONDS = 10.0


class _Call(msgspec.Struct):
    """A call under way."""

    id: str
    topic: str
    body: bytes
    deadline: float
    answer: asyncio.Future[bytes]
    #: on which connection it was sent last
    session: Session | None = None


class RabbitBus:
    """See ``Bus``. ``finish_seconds``: how long ``close`` waits for handlers under way."""

    def __init__(self, url: str, ca_path: str | None = None, *, finish_seconds: float = FINISH_SECONDS) -> None:
        self.broker = Broker.parse(url, ca_path)
        self.link = Link(self.broker, lambda: list(self._own_events), self._on_inbox, self._on_up)
        self.finish_seconds = finish_seconds
        self._topics: dict[str, dict[str, tuple[type[Message], Handler]]] = {}
        self._groups: dict[str, tuple[str, Known]] = {}
        self._own_events: dict[str, list[Known]] = {}
        self._consumers: dict[str, tuple[AbstractChannel, str]] = {}
        self._calls: dict[str, _Call] = {}
        self._handling: dict[str, asyncio.Task[bytes]] = {}
        self._presence: dict[str, tuple[float, int]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._takes: set[asyncio.Task[Any]] = set()
        self._closing = False

    # -- the face

    async def start(self) -> None:
        self.link.open()

    def serve(self, topic: str, handlers: Handlers) -> None:
        self.link.open()
        is_new = topic not in self._topics
        self._topics.setdefault(topic, {}).update(by_name(handlers))
        if is_new and self.link.session is not None:
            self._consume(self.link.session, topic, _exchange(topic), topic)

    def withdraw(self, topic: str) -> None:
        self._topics.pop(topic, None)
        consumer = self._consumers.pop(topic, None)
        if consumer is not None:
            self._spawn(_cancel(*consumer))

    async def call(self, topic: str, message: Message, timeout_seconds: float = 60) -> Any:
        self.link.open()
        now = time.monotonic()
        call = _Call(str(uuid.uuid4()), topic, encode(message), now + timeout_seconds, asyncio.get_running_loop().create_future())
        self._calls[call.id] = call
        watcher = self._spawn(self._watch(call))
        try:
            async with asyncio.timeout(timeout_seconds):
                answer = await call.answer
        except TimeoutError:
            raise Unreachable(topic=topic, reason=f"no answer to {message.name} within {timeout_seconds:g} s") from None
        finally:
            del self._calls[call.id]
            watcher.cancel()
        return decode_answer(answer, type(message))

    async def cast(self, topic: str, message: Message) -> None:
        properties = self._properties(str(uuid.uuid4()), CAST_SECONDS)
        try:
            await self.link.publish(_exchange(topic), topic, encode(message), properties, PATIENCE_SECONDS)
        except PublishError:
            log.debug("nobody serves %s; %s is lost", topic, message.name)

    def subscribe(self, event: type[Message], handler: Handler, *, group: str = "") -> None:
        known = by_name({event: handler})
        if group:
            self._groups[f"events.{group}.{event.name}"] = (event.name, known)
        else:
            self._own_events.setdefault(event.name, []).append(known)

    async def publish(self, event: Message) -> None:
        self.link.open()
        body = encode(event)
        # This process hears it now, so that its next answer knows of it, and leaves the copy that comes back aside.
        await self._tell(event.name, body)
        properties = self._properties(str(uuid.uuid4()), None, app_id=self.link.session.inbox if self.link.session else None)
        try:
            await self.link.publish(EVENTS, event.name, body, properties, EVENT_PATIENCE_SECONDS)
        except PublishError:
            pass  # nobody subscribed
        except Condition as error:
            log.warning("the event %s did not leave this process: %s", event.name, error.text)

    async def backlog(self, topics: Iterable[str]) -> dict[str, Backlog]:
        found = {}
        for topic in topics:
            session = await self.link.connected(PATIENCE_SECONDS, topic)
            with contextlib.suppress(ChannelNotFoundEntity):
                found[topic] = await session.backlog(topic)
        return found

    async def close(self) -> None:
        self._closing = True
        await asyncio.gather(*(_cancel(*consumer) for consumer in self._consumers.values()))
        self._consumers.clear()
        under_way = [task for task in self._handling.values() if not task.done()]
        if under_way:
            await asyncio.wait(under_way, timeout=self.finish_seconds)
        if self._takes:
            # Answers and acknowledgements of what has just been finished.
            await asyncio.wait(self._takes, timeout=1)
        for task in self._tasks:
            task.cancel()
        await self.link.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- serving

    def _on_up(self, session: Session) -> None:
        for topic in self._topics:
            self._consume(session, topic, _exchange(topic), topic)
        for queue, (key, _) in self._groups.items():
            self._consume(session, queue, EVENTS, key)
        for call in list(self._calls.values()):
            if call.session is not None:
                self._spawn(self._send(call))

    def _consume(self, session: Session, queue: str, exchange: str, key: str) -> None:
        task = self._spawn(self._keep_consuming(session, queue, exchange, key))
        session.tasks.add(task)
        task.add_done_callback(session.tasks.discard)

    async def _keep_consuming(self, session: Session, queue: str, exchange: str, key: str) -> None:
        complained = False
        while session.is_open and not self._closing and (queue in self._topics or queue in self._groups):
            try:
                channel = await session.connection.channel()
                gone = channel.closing
                channel.on_consumer_cancel_callbacks.add(partial(self._cancelled, channel))
                await declare_work_queue(channel, queue, exchange, key, DELIVERY_LIMIT + 1)
                tag = await consume(channel, queue, partial(self._on_message, queue), prefetch=PREFETCH)
                self._consumers[queue] = (channel, tag)
                complained = False
                await asyncio.wait((gone,))
            except BROKEN as error:
                # An agent that is up before the control plane was ever there finds no exchange.
                if not complained:
                    log.warning("cannot serve %s yet: %s", queue, error)
                complained = True
            await asyncio.sleep(0.5)

    async def _cancelled(self, channel: AbstractChannel, _: Any) -> None:
        """The broker took the queue away; a closed channel makes it anew."""
        self._spawn(channel.close())

    # -- receiving

    async def _on_inbox(self, message: DeliveredMessage) -> None:
        properties = message.header.properties
        if message.exchange == EVENTS:
            if self.link.session is None or properties.app_id != self.link.session.inbox:
                self._spawn(self._tell(message.routing_key or "", message.body))
            return
        call = self._calls.get(properties.correlation_id or "")
        if call is not None and not call.answer.done():
            call.answer.set_result(message.body)

    async def _tell(self, name: str, body: bytes) -> None:
        for known in self._own_events.get(name, []):
            await answer_with(body, known, name)

    async def _on_message(self, queue: str, message: DeliveredMessage) -> None:
        # A task of ours: the library ends its own with the channel, and what was begun is to be finished.
        task = self._spawn(self._take(queue, message))
        self._takes.add(task)
        task.add_done_callback(self._takes.discard)

    async def _take(self, queue: str, message: DeliveredMessage) -> None:
        properties = message.header.properties
        key = properties.message_id or str(uuid.uuid4())
        work = self._handling.get(key)
        if work is None:
            work = self._spawn(self._answer(queue, message))
            self._handling[key] = work
            work.add_done_callback(lambda _: asyncio.get_running_loop().call_later(ANSWER_KEPT_SECONDS, self._handling.pop, key, None))
        answer = await asyncio.shield(work)
        if properties.reply_to:
            reply = self._properties(None, ANSWER_KEPT_SECONDS, correlation_id=properties.message_id)
            try:
                await self.link.publish(REPLIES, properties.reply_to, answer, reply, PATIENCE_SECONDS)
            except PublishError:
                # The caller has gone, or has another inbox by now: then it asks again under the same id.
                log.debug("nobody waits for the answer to a message on %s any more", queue)
            except Condition as error:
                log.warning("the answer to a message on %s was lost: %s", queue, error.text)
        try:
            await message.channel.basic_ack(message.delivery_tag or 0)
        except BROKEN:
            log.info("a message on %s was handled but could not be acknowledged; it will come again", queue)

    async def _answer(self, queue: str, message: DeliveredMessage) -> bytes:
        properties = message.header.properties
        count = _delivery_count(properties)
        if count >= DELIVERY_LIMIT:
            log.error("dropped a message on %s that was begun %d times and never finished: %s", queue, count, message.body[:200])
            return refusal(RemoteFailure(reason=f"A message on {queue} was begun {count} times and never finished."))
        if count:
            log.warning("a message on %s comes again, for the %d. time", queue, count)
        sender.set(properties.user_id or "")
        known = self._groups[queue][1] if queue in self._groups else self._topics.get(queue, {})
        try:
            return await answer_with(message.body, known, queue)
        except msgspec.DecodeError as error:
            log.warning("dropped a message on %s that cannot be read: %s", queue, error)
            return refusal(RemoteFailure(reason=f"{queue} cannot read the message: {error}"))

    # -- sending

    async def _watch(self, call: _Call) -> None:
        """Send a call, and end it when nobody is there to take it."""
        try:
            missing_since = None
            while True:
                present = await self._is_served(call.topic)
                if present and call.session is None:
                    await self._send(call)
                missing_since = None if present else missing_since or time.monotonic()
                if missing_since is not None and time.monotonic() - missing_since >= ABSENCE_SECONDS:
                    raise Unreachable(topic=call.topic, reason="nobody serves it")
                await asyncio.sleep(0.5 if missing_since is not None else WATCH_SECONDS)
        except Exception as error:
            _fail(call, error)

    async def _is_served(self, topic: str) -> bool:
        """Whether anybody takes from the topic's queue; True when that cannot be told. Unreachable when there is no such queue."""
        checked, count = self._presence.get(topic, (0.0, 0))
        if count and time.monotonic() - checked < WATCH_SECONDS / 2:
            return True
        session = await self.link.connected(PATIENCE_SECONDS, topic)
        try:
            count = (await session.backlog(topic)).servers
        except ChannelNotFoundEntity:
            raise Unreachable(topic=topic, reason="nobody ever served it") from None
        except BROKEN:
            return True
        self._presence[topic] = (time.monotonic(), count)
        return count > 0

    async def _send(self, call: _Call) -> None:
        try:
            session = await self.link.connected(PATIENCE_SECONDS, call.topic)
            call.session = session
            left = call.deadline - time.monotonic()
            if left <= 0 or call.answer.done():
                return
            properties = self._properties(call.id, left, reply_to=session.inbox)
            await self.link.publish(_exchange(call.topic), call.topic, call.body, properties, left)
        except PublishError:
            _fail(call, Unreachable(topic=call.topic, reason="nobody serves it"))
        except Condition as error:
            _fail(call, error)

    def _properties(self, message_id: str | None, lifetime_seconds: float | None, **more: Any) -> commands.Basic.Properties:
        expiration = None if lifetime_seconds is None else str(max(int(lifetime_seconds * 1000), 1))
        return commands.Basic.Properties(
            message_id=message_id, expiration=expiration, user_id=self.broker.user, delivery_mode=2, content_type="application/json", **more
        )

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _exchange(topic: str) -> str:
    return AGENTS if ".agent." in topic else CONTROL


def _fail(call: _Call, error: BaseException) -> None:
    if not call.answer.done():
        call.answer.set_exception(error)


def _delivery_count(properties: commands.Basic.Properties) -> int:
    """How often the message was given to somebody who did not acknowledge it."""
    count = (properties.headers or {}).get("x-delivery-count")
    return count if isinstance(count, int) else 0


async def _cancel(channel: AbstractChannel, tag: str) -> None:
    with contextlib.suppress(*BROKEN):
        await channel.basic_cancel(tag, timeout=2)
