"""The bus: typed messages between control plane and agents. Messages carry work; the truth stays in the database.

One face, an adapter each: ``InProcessBus`` here, RabbitMQ's beside it later. Everything that passes is encoded and decoded,
also in-process, so that an agent could be on another host.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec

from cloudd.kit import log as kit_log
from cloudd.kit.errors import Condition, RemoteFailure, Unreachable, from_code

log = logging.getLogger(__name__)


class Message(msgspec.Struct, kw_only=True):
    """Base of all messages. A subclass sets ``name`` ("compute.build_server") and ``reply`` (its answer's type).

    Unknown fields are ignored on receipt, and new fields have defaults: neighbours of two versions understand each other.
    """

    name: ClassVar[str] = ""
    reply: ClassVar[Any] = type(None)


Handler = Callable[[Any], Awaitable[Any]]
#: What a topic answers: message type → coroutine.
Handlers = Mapping[type[Message], Handler]
M = TypeVar("M", bound=Message)


class Envelope(msgspec.Struct):
    name: str
    body: msgspec.Raw
    request_id: str = "-"


class Failure(msgspec.Struct):
    """A condition on its way back."""

    code: str
    text: str
    fields: dict[str, Any] = {}


class Bus(Protocol):
    """Work queues (a topic has one consumer of each message) and events (every subscriber gets a copy)."""

    def serve(self, topic: str, handlers: Handlers) -> None:
        """Answer the messages of a topic from now on."""

    def withdraw(self, topic: str) -> None:
        """Stop serving a topic."""

    async def call(self, topic: str, message: Message, timeout_seconds: float = 60) -> Any:
        """Send and wait for the reply. Raises the handler's condition, or Unreachable."""

    async def cast(self, topic: str, message: Message) -> None:
        """Send without an answer; lost when nobody serves the topic (a reconciler finds what that missed)."""

    def subscribe(self, event: type[Message], handler: Handler) -> None:
        """Be told of each such event."""

    async def publish(self, event: Message) -> None:
        """Tell every subscriber; errors there are theirs."""

    async def close(self) -> None:
        """Finish what is under way."""


class InProcessBus:
    """The embedded cloud's bus."""

    def __init__(self) -> None:
        self._topics: dict[str, dict[str, tuple[type[Message], Handler]]] = {}
        self._events: dict[str, list[tuple[type[Message], Handler]]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def serve(self, topic: str, handlers: Handlers) -> None:
        # One topic may be served by several rooms of the process (a host's compute and network part).
        self._topics.setdefault(topic, {}).update({kind.name: (kind, handler) for kind, handler in handlers.items()})

    def withdraw(self, topic: str) -> None:
        self._topics.pop(topic, None)

    async def call(self, topic: str, message: Message, timeout_seconds: float = 60) -> Any:
        task = self._spawn(self._answer(topic, encode(message)))
        try:
            # Shielded: a caller that gives up does not stop the work, as on a real broker.
            answer = await asyncio.wait_for(asyncio.shield(task), timeout_seconds)
        except TimeoutError:
            raise Unreachable(topic=topic, reason=f"no answer to {message.name} within {timeout_seconds:g} s") from None
        return decode_answer(answer, type(message))

    async def cast(self, topic: str, message: Message) -> None:
        self._spawn(self._answer(topic, encode(message)))

    def subscribe(self, event: type[Message], handler: Handler) -> None:
        self._events.setdefault(event.name, []).append((event, handler))

    async def publish(self, event: Message) -> None:
        data = encode(event)
        for kind, handler in self._events.get(event.name, []):
            await answer_with(data, {kind.name: (kind, handler)}, event.name)

    async def close(self) -> None:
        self._topics.clear()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    async def _answer(self, topic: str, data: bytes) -> bytes:
        handlers = self._topics.get(topic)
        if handlers is None:
            return msgspec.json.encode({"error": _failure(Unreachable(topic=topic, reason="nobody serves it"))})
        return await answer_with(data, handlers, topic)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def encode(message: Message) -> bytes:
    """A message as it travels."""
    return msgspec.json.encode(Envelope(message.name, msgspec.Raw(msgspec.json.encode(message)), kit_log.request_id.get()))


async def answer_with(data: bytes, handlers: Mapping[str, tuple[type[Message], Handler]], topic: str) -> bytes:
    """Decode, handle, encode the answer: the receiving half, the same for every adapter."""
    envelope = msgspec.json.decode(data, type=Envelope)
    kit_log.request_id.set(envelope.request_id)
    try:
        kind, handler = handlers[envelope.name]
    except KeyError:
        return msgspec.json.encode({"error": _failure(RemoteFailure(reason=f"{topic} does not understand {envelope.name}"))})
    try:
        return msgspec.json.encode({"result": await handler(msgspec.json.decode(envelope.body, type=kind))})
    except Condition as condition:
        return msgspec.json.encode({"error": _failure(condition)})
    except Exception as error:
        log.exception("%s failed on %s", envelope.name, topic)
        return msgspec.json.encode({"error": _failure(RemoteFailure(reason=f"{type(error).__name__}: {error}"))})


def decode_answer(data: bytes, kind: type[Message]) -> Any:
    """The reply in its declared type, or the condition raised."""
    answer = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    if "error" in answer:
        failure = msgspec.json.decode(answer["error"], type=Failure)
        raise from_code(failure.code, failure.fields, failure.text)
    return msgspec.json.decode(answer["result"], type=kind.reply)


def _failure(condition: Condition) -> Failure:
    return Failure(condition.code, condition.text, {key: value for key, value in condition.fields.items() if _plain(value)})


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | list | dict | None)
