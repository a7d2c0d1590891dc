"""A broker for each session, and the buses that a test makes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from cloudd.kit.bus import Bus, InProcessBus
from cloudd.kit.bus.broker import Broker
from cloudd.kit.bus.rabbitmq import RabbitBus
from tests.contract.bus.messages import CONTROL, TOPIC
from tests.rabbitmq import RabbitMQ

#: Makes a bus as another process of the same cloud would.
MakeBus = Callable[[], Bus]


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    server = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def rabbit(broker: RabbitMQ) -> AsyncIterator[Callable[..., RabbitBus]]:
    """Buses of the control plane, or of the URL given; all closed at the end, and the work queues that a test made removed."""
    made: list[RabbitBus] = []

    def make(url: str | None = None) -> RabbitBus:
        made.append(RabbitBus(url or broker.url(), finish_seconds=1))
        return made[-1]

    yield make
    for bus in made:
        await bus.close()
    connection = await Broker.parse(broker.url()).connect("test")
    channel = await connection.channel()
    for queue in (TOPIC, CONTROL, *(f"test.agent.ready{n}" for n in (1, 2)), "events.compute.test.told"):
        await channel.queue_delete(queue)
    await connection.close()


@pytest.fixture
async def inprocess() -> AsyncIterator[Callable[..., InProcessBus]]:
    bus = InProcessBus()
    yield lambda: bus
    await bus.close()


@pytest.fixture(params=["inprocess", pytest.param("rabbit", marks=pytest.mark.real)])
def make_bus(request: pytest.FixtureRequest) -> MakeBus:
    """Two calls give two processes' buses (in-process there is but the one)."""
    make: MakeBus = request.getfixturevalue(request.param)
    return make
