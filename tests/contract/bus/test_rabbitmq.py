"""What the bus promises over RabbitMQ alone: rights, expiry, redelivery, and nodes that die."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed
from pamqp import commands

from cloudd.kit.bus import sender
from cloudd.kit.bus.broker import Broker
from cloudd.kit.bus.link import AGENTS, REPLIES
from cloudd.kit.bus.rabbitmq import DELIVERY_LIMIT, RabbitBus
from cloudd.kit.errors import RemoteFailure, Unreachable
from tests.contract.bus.messages import CONTROL, TOPIC, Ask, Told, Wait, answer
from tests.contract.bus.test_bus import until_served
from tests.rabbitmq import RabbitMQ

pytestmark = pytest.mark.real

Rabbit = Callable[..., RabbitBus]


@pytest.fixture(scope="module")
def agents(broker: RabbitMQ) -> dict[str, str]:
    """The buses' URLs of two hosts."""
    return {host: broker.add_agent(host, f"password-of-{host}") for host in ("host1", "host2")}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    server = RabbitMQ(tmp_path_factory.mktemp("rabbitmq-cluster"), node_count=3)
    server.start()
    yield server
    server.stop()


async def test_an_agent_serves_its_own_topic_and_calls_the_control_plane(rabbit: Rabbit, agents: dict[str, str]) -> None:
    senders: list[str] = []

    async def hear(_: Told) -> None:
        senders.append(sender.get())

    control, agent = rabbit(), rabbit(agents["host1"])
    control.serve(CONTROL, {Ask: answer, Told: hear})
    agent.serve(TOPIC, {Ask: answer, Told: hear})
    await until_served(control)
    await until_served(agent, CONTROL)
    assert await control.call(TOPIC, Ask(number=8)) == {"half": 4}
    await agent.call(CONTROL, Told(text="x"))
    await control.call(TOPIC, Told(text="x"))
    assert senders == ["agent-host1", "control"]


FORBIDDEN: dict[str, Callable[[AbstractChannel], Awaitable[Any]]] = {
    "read another's": lambda channel: channel.basic_get("test.agent.host2"),
    "make another's": lambda channel: channel.queue_declare("reply.agent-host2.1", exclusive=True),
    "bind another's key": lambda channel: channel.queue_bind(TOPIC, AGENTS, "test.agent.host2"),
    "bind control's": lambda channel: channel.queue_bind(TOPIC, "cloudd.control", CONTROL),
    "order an agent": lambda channel: channel.basic_publish(b"{}", exchange=AGENTS, routing_key="test.agent.host2"),
    "answer as control": lambda channel: channel.basic_publish(
        b"{}", exchange=REPLIES, routing_key="x", properties=commands.Basic.Properties(user_id="control")
    ),
    "tell an event": lambda channel: channel.basic_publish(b"{}", exchange="cloudd.events", routing_key="identity.changed"),
}


@pytest.mark.parametrize("act", FORBIDDEN)
async def test_an_agent_may_do_nothing_else(rabbit: Rabbit, agents: dict[str, str], act: str) -> None:
    control, other, own = rabbit(), rabbit(agents["host2"]), rabbit(agents["host1"])
    other.serve("test.agent.host2", {Ask: answer})
    own.serve(TOPIC, {Ask: answer})
    control.serve(CONTROL, {Ask: answer})
    await until_served(control, "test.agent.host2")
    await until_served(control)
    connection = await Broker.parse(agents["host1"]).connect("intruder")
    with pytest.raises((ChannelAccessRefused, ChannelPreconditionFailed)):
        await FORBIDDEN[act](await connection.channel())
    await connection.close()
    with pytest.raises(RemoteFailure, match="refuses what agent-host1 sends"):
        await own.call("test.agent.host2", Ask(number=2), timeout_seconds=5)


async def test_a_call_that_was_given_up_is_not_done_later(rabbit: Rabbit) -> None:
    begun: list[str] = []

    async def hang(message: Wait) -> str:
        begun.append(message.key)
        await asyncio.sleep(3600)
        return "never"

    first, caller = rabbit(), rabbit()
    first.serve(TOPIC, {Wait: hang, Ask: answer})
    await until_served(caller)
    with pytest.raises(Unreachable, match="within 1 s"):
        await caller.call(TOPIC, Wait(key="late", seconds=0), timeout_seconds=1)
    await _die(first)
    second = rabbit()
    second.serve(TOPIC, {Wait: hang, Ask: answer})
    await until_served(caller)
    await asyncio.sleep(0.3)
    assert begun == ["late"]


async def test_work_of_a_process_that_died_is_done_by_the_next(rabbit: Rabbit) -> None:
    begun, first, caller = asyncio.Event(), rabbit(), rabbit()

    async def hang(_: Wait) -> str:
        begun.set()
        await asyncio.sleep(3600)
        return "never"

    async def wait(message: Wait) -> str:
        return message.key

    first.serve(TOPIC, {Wait: hang, Ask: answer})
    await until_served(caller)
    call = asyncio.create_task(caller.call(TOPIC, Wait(key="a", seconds=0), timeout_seconds=20))
    await begun.wait()
    await _die(first)
    rabbit().serve(TOPIC, {Wait: wait})
    assert await call == "a"


async def test_a_message_that_kills_whoever_takes_it_is_dropped_with_a_log(rabbit: Rabbit, caplog: pytest.LogCaptureFixture) -> None:
    caller, times = rabbit(), 0
    victims: list[RabbitBus] = []

    async def fatal(_: Wait) -> str:
        nonlocal times
        times += 1
        await _die(victims[-1])
        await asyncio.sleep(3600)
        return "never"

    victims.append(rabbit())
    victims[0].serve(TOPIC, {Wait: fatal, Ask: answer})
    await until_served(caller)
    call = asyncio.create_task(caller.call(TOPIC, Wait(key="a", seconds=0), timeout_seconds=60))
    while not call.done():
        if victims[-1].link._closing:
            victims.append(rabbit())
            victims[-1].serve(TOPIC, {Wait: fatal})
        await asyncio.sleep(0.1)
    with pytest.raises(RemoteFailure, match="never finished"):
        await call
    assert times == DELIVERY_LIMIT
    assert "dropped a message" in caplog.text


async def test_no_confirmed_message_is_lost_and_no_call_hangs_while_nodes_die(cluster: RabbitMQ) -> None:
    """Each node is killed in turn under load; each call is answered or ends as worth a retry, each confirmed cast is handled."""
    done: Counter[str] = Counter()
    begun: Counter[str] = Counter()

    async def work(message: Wait) -> str:
        begun[message.key] += 1
        await asyncio.sleep(message.seconds)
        done[message.key] += 1
        return message.key

    async def hear(message: Told) -> None:
        done[message.text] += 1

    server, caller = RabbitBus(cluster.url()), RabbitBus(cluster.url())
    server.serve(TOPIC, {Wait: work, Told: hear, Ask: answer})
    await until_served(caller)
    confirmed: list[str] = []
    unreachable: list[str] = []
    longest = 0.0
    stop = False

    async def load(name: str) -> None:
        nonlocal longest
        number = 0
        while not stop:
            key, number = f"{name}-{number}", number + 1
            started = time.monotonic()
            try:
                assert await caller.call(TOPIC, Wait(key=key, seconds=0.05), timeout_seconds=20) == key
                longest = max(longest, time.monotonic() - started)
                await caller.cast(TOPIC, Told(text=f"cast {key}"))
                confirmed.extend((key, f"cast {key}"))
            except Unreachable:
                unreachable.append(key)

    loads = [asyncio.create_task(load(str(n))) for n in range(10)]
    for index in range(3):
        await asyncio.sleep(2)
        await asyncio.to_thread(cluster.kill, index)
        await asyncio.sleep(4)
        await asyncio.to_thread(cluster.start_node, index)
        await asyncio.to_thread(cluster.rabbitmqctl, "await_online_nodes", "3")
    await asyncio.sleep(1)
    stop = True
    await asyncio.wait_for(asyncio.gather(*loads), 30)
    await asyncio.sleep(1)
    print(f"{len(confirmed)} confirmed, {len(unreachable)} unreachable, longest call {longest:.1f} s")
    assert len(confirmed) > 500
    assert not unreachable
    assert not [key for key in confirmed if not done[key]]
    # The ids let the receiver know what it has done already.
    assert not [key for key, count in begun.items() if count > 1]
    assert longest < 15
    await server.close()
    await caller.close()


async def _die(bus: RabbitBus) -> None:
    """As a killed process: the connection is gone, and nothing is acknowledged."""
    await bus.link.close()
