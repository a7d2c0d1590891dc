"""The in-process bus: typed messages, conditions that travel, and time limits."""

from __future__ import annotations

import asyncio

import pytest

from cloudd.kit.bus import InProcessBus, Message
from cloudd.kit.errors import NotFound, RemoteFailure, Unreachable


class Ask(Message):
    name = "test.ask"
    reply = dict[str, int]
    number: int


class Told(Message):
    name = "test.told"
    text: str


async def answer(message: Ask) -> dict[str, int]:
    if message.number < 0:
        raise NotFound(what=f"Number {message.number}")
    if message.number == 0:
        return {"half": 1 // message.number}
    await asyncio.sleep(0.2 if message.number > 9 else 0)
    return {"half": message.number // 2}


async def test_call_returns_the_typed_reply() -> None:
    bus = InProcessBus()
    bus.serve("topic", {Ask: answer})
    assert await bus.call("topic", Ask(number=8)) == {"half": 4}


async def test_a_condition_arrives_as_itself() -> None:
    bus = InProcessBus()
    bus.serve("topic", {Ask: answer})
    with pytest.raises(NotFound, match="Number -1 could not be found"):
        await bus.call("topic", Ask(number=-1))


async def test_an_unexpected_error_arrives_named() -> None:
    bus = InProcessBus()
    bus.serve("topic", {Ask: answer})
    with pytest.raises(RemoteFailure, match="ZeroDivisionError"):
        await bus.call("topic", Ask(number=0))


async def test_nobody_serving_and_nobody_answering_are_worth_a_retry() -> None:
    bus = InProcessBus()
    with pytest.raises(Unreachable) as nobody:
        await bus.call("nowhere", Ask(number=1))
    assert nobody.value.retryable
    bus.serve("topic", {Ask: answer})
    with pytest.raises(Unreachable, match=r"within 0\.01 s"):
        await bus.call("topic", Ask(number=10), timeout_seconds=0.01)


async def test_events_reach_every_subscriber() -> None:
    bus, heard = InProcessBus(), []

    async def hear(message: Told) -> None:
        heard.append(message.text)

    bus.subscribe(Told, hear)
    bus.subscribe(Told, hear)
    await bus.publish(Told(text="x"))
    await bus.close()
    assert heard == ["x", "x"]
