"""Messages as they travel, the same for every adapter: encoded and decoded also in-process, so that an agent may be on another host."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, ClassVar

import msgspec

from cloudd.kit import log as kit_log
from cloudd.kit.errors import Condition, RemoteFailure, from_code

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
#: A topic's handlers by message name.
Known = Mapping[str, tuple[type[Message], Handler]]

#: Who sent the message being handled: "control", "agent-<host>", or "" in-process. The broker vouches for it.
sender: ContextVar[str] = ContextVar("sender", default="")
#: What the broker calls an agent: this, and its host.
AGENT_PREFIX = "agent-"


class Backlog(msgspec.Struct):
    """A topic from the outside: messages that wait, and processes that serve it."""

    waiting: int
    servers: int


class Envelope(msgspec.Struct):
    name: str
    body: msgspec.Raw
    request_id: str = "-"


class Failure(msgspec.Struct):
    """A condition on its way back."""

    code: str
    text: str
    fields: dict[str, Any] = {}


def encode(message: Message) -> bytes:
    """A message as it travels."""
    return msgspec.json.encode(Envelope(message.name, msgspec.Raw(msgspec.json.encode(message)), kit_log.request_id.get()))


async def answer_with(data: bytes, handlers: Known, topic: str) -> bytes:
    """Decode, handle, encode the answer: the receiving half, the same for every adapter."""
    envelope = msgspec.json.decode(data, type=Envelope)
    kit_log.request_id.set(envelope.request_id)
    try:
        kind, handler = handlers[envelope.name]
    except KeyError:
        return refusal(RemoteFailure(reason=f"{topic} does not understand {envelope.name}"))
    try:
        message = msgspec.json.decode(envelope.body, type=kind)
        _vouch(message)
        return msgspec.json.encode({"result": await handler(message)})
    except Condition as condition:
        return refusal(condition)
    except Exception as error:
        log.exception("%s failed on %s", envelope.name, topic)
        return refusal(RemoteFailure(reason=f"{type(error).__name__}: {error}"))


def _vouch(message: Message) -> None:
    """An agent speaks for its own host alone: one host's credentials must not report for another. The broker vouches for the sender."""
    account, host = sender.get(), getattr(message, "host", None)
    if host is not None and account.startswith(AGENT_PREFIX) and account != AGENT_PREFIX + host:
        log.error("%s from %s names host %s; it is refused", message.name, account, host)
        raise RemoteFailure(reason=f"{account} may not speak for host {host}")


def decode_answer(data: bytes, kind: type[Message]) -> Any:
    """The reply in its declared type, or the condition raised."""
    answer = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    if "error" in answer:
        failure = msgspec.json.decode(answer["error"], type=Failure)
        raise from_code(failure.code, failure.fields, failure.text)
    return msgspec.json.decode(answer["result"], type=kind.reply)


def refusal(condition: Condition) -> bytes:
    """The answer that raises this condition at the caller's."""
    fields = {key: value for key, value in condition.fields.items() if _plain(value)}
    return msgspec.json.encode({"error": Failure(condition.code, condition.text, fields)})


def by_name(handlers: Handlers) -> Known:
    """Handlers as ``answer_with`` wants them."""
    return {kind.name: (kind, handler) for kind, handler in handlers.items()}


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | list | dict | None)
