"""What every bus promises: typed messages, conditions that travel, time limits, events."""

from __future__ import annotations

import asyncio
import time

import pytest

from cloudd.kit import log as kit_log
from cloudd.kit.bus import Backlog, Bus
from cloudd.kit.errors import NotFound, RemoteFailure, Unreachable
from tests.contract.bus.conftest import MakeBus
from tests.contract.bus.messages import CONTROL, TOPIC, Ask, Told, Wait, answer


async def until_served(bus: Bus, topic: str = TOPIC) -> None:
    """Serving begins when the broker has heard of it."""
    async with asyncio.timeout(10):
        while True:
            try:
                await bus.call(topic, Ask(number=2), timeout_seconds=5)
                return
            except Unreachable:
                await asyncio.sleep(0.05)


@pytest.fixture
async def caller(make_bus: MakeBus) -> Bus:
    """A bus beside one that answers ``Ask``."""
    make_bus().serve(TOPIC, {Ask: answer})
    caller = make_bus()
    await until_served(caller)
    return caller


async def test_call_returns_the_typed_reply(caller: Bus) -> None:
    assert await caller.call(TOPIC, Ask(number=8)) == {"half": 4}


async def test_calls_run_side_by_side(caller: Bus) -> None:
    started = time.monotonic()
    numbers = range(10, 40)
    answers = await asyncio.gather(*(caller.call(TOPIC, Ask(number=number)) for number in numbers))
    assert answers == [{"half": number // 2} for number in numbers]
    assert time.monotonic() - started < 3


async def test_a_condition_arrives_as_itself(caller: Bus) -> None:
    with pytest.raises(NotFound, match="Number -1 could not be found"):
        await caller.call(TOPIC, Ask(number=-1))


async def test_an_unexpected_error_arrives_named(caller: Bus) -> None:
    with pytest.raises(RemoteFailure, match="ZeroDivisionError"):
        await caller.call(TOPIC, Ask(number=0))


async def test_a_message_that_is_not_understood_is_answered(caller: Bus) -> None:
    with pytest.raises(RemoteFailure, match=r"does not understand test\.told"):
        await caller.call(TOPIC, Told(text="x"))


async def test_nobody_serving_is_known_at_once_and_worth_a_retry(make_bus: MakeBus) -> None:
    bus = make_bus()
    await bus.start()
    started = time.monotonic()
    with pytest.raises(Unreachable) as nobody:
        await bus.call("test.agent.nowhere", Ask(number=1), timeout_seconds=60)
    assert nobody.value.retryable
    assert time.monotonic() - started < 5


async def test_no_answer_in_time_is_worth_a_retry(caller: Bus) -> None:
    with pytest.raises(Unreachable, match=r"within 0\.1 s"):
        await caller.call(TOPIC, Ask(number=10), timeout_seconds=0.1)


async def test_two_rooms_may_share_a_topic(make_bus: MakeBus) -> None:
    heard: list[str] = []

    async def hear(message: Told) -> None:
        heard.append(message.text)

    server, caller = make_bus(), make_bus()
    server.serve(TOPIC, {Ask: answer})
    server.serve(TOPIC, {Told: hear})
    await until_served(caller)
    await caller.call(TOPIC, Told(text="x"))
    assert heard == ["x"]


async def test_a_cast_is_done_without_an_answer(make_bus: MakeBus) -> None:
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def hear(message: Told) -> None:
        await heard.put((message.text, kit_log.request_id.get()))

    server, caller = make_bus(), make_bus()
    server.serve(CONTROL, {Told: hear, Ask: answer})
    await until_served(caller, CONTROL)
    kit_log.request_id.set("req-1")
    await caller.cast(CONTROL, Told(text="x"))
    assert await asyncio.wait_for(heard.get(), 5) == ("x", "req-1")
    await caller.cast("test.agent.nowhere", Told(text="lost"))


async def test_a_topics_backlog_tells_who_serves_it(caller: Bus) -> None:
    assert await caller.backlog([TOPIC, "test.agent.nowhere"]) == {TOPIC: Backlog(0, 1)}


async def test_a_withdrawn_topic_ends_what_it_has_begun(make_bus: MakeBus) -> None:
    begun = asyncio.Event()

    async def wait(message: Wait) -> str:
        begun.set()
        await asyncio.sleep(message.seconds)
        return message.key

    server, caller = make_bus(), make_bus()
    server.serve(TOPIC, {Wait: wait, Ask: answer})
    await until_served(caller)
    call = asyncio.create_task(caller.call(TOPIC, Wait(key="a", seconds=0.3)))
    await begun.wait()
    server.withdraw(TOPIC)
    assert await call == "a"


async def test_events_reach_every_process_and_one_of_each_group(make_bus: MakeBus) -> None:
    heard: list[str] = []

    def hearing(name: str):  # type: ignore[no-untyped-def]
        async def hear(message: Told) -> None:
            heard.append(name)

        return hear

    first, second = make_bus(), make_bus()
    for bus, name in ((first, "1"), (second, "2")):
        bus.subscribe(Told, hearing(f"own {name}"))
        bus.serve(f"test.agent.ready{name}", {Ask: answer})
    for bus in {id(bus): bus for bus in (first, second)}.values():
        bus.subscribe(Told, hearing("group"), group="compute")
        await bus.start()
    await until_served(first, "test.agent.ready2")
    await until_served(second, "test.agent.ready1")
    await asyncio.sleep(0.3)
    await first.publish(Told(text="x"))
    # Whoever published has heard it already: its next answer knows.
    assert "own 1" in heard
    await asyncio.sleep(0.5)
    assert sorted(heard) == ["group", "own 1", "own 2"]
