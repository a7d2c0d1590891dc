"""Several workers on one database: each saga and each reconciler on one of them, a dead one's taken up soon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from cloudd.kit import lease
from cloudd.kit.db import Database
from cloudd.kit.reconcile import Reconciler, ReconcilerLoop
from cloudd.kit.saga import ACTIVE_STATES, DONE, Run, Saga, SagaEngine, saga_table


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the real times."""
    for name in ("LEASE_SECONDS", "RENEW_SECONDS", "RETRY_SECONDS", "MARGIN_SECONDS"):
        monkeypatch.setattr(lease, name, getattr(lease, name) / 10)
    monkeypatch.setattr("cloudd.kit.reconcile.RENEW_SECONDS", lease.RENEW_SECONDS)


class Nothing(msgspec.Struct):
    pass


class Slow(Saga):
    """One step that takes its time, and tells who runs it when."""

    kind = "test.slow"
    params = Nothing
    steps = ("work",)
    harmless = frozenset({"work"})

    def __init__(self, seconds: float, spans: list[tuple[float, float]]) -> None:
        self.seconds = seconds
        self.spans = spans

    async def work(self, run: Run) -> None:
        began = time.monotonic()
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.spans.append((began, time.monotonic()))


class Unsteady:
    """A database that can go away for a while, for one of its workers."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.is_away = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Any]:
        if self.is_away:
            raise ConnectionError("the database is away")
        async with self._db.write() as tx:
            yield tx

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Any]:
        if self.is_away:
            raise ConnectionError("the database is away")
        async with self._db.read() as tx:
            yield tx


async def worker(db: Any, saga: Saga) -> SagaEngine:
    engine = SagaEngine(db)
    engine.register(saga)
    await engine.run_worker(alone=False, sweep_seconds=0.1)
    return engine


async def start(db: Database, saga: Saga) -> str:
    engine = SagaEngine(db)
    engine.register(saga)
    async with db.write() as tx:
        return await engine.start(tx, saga.kind, Nothing(), resource_id="r", request_id="req-1")


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (nothing tells us)
            await asyncio.sleep(0.02)


def assert_apart(spans: list[tuple[float, float]]) -> None:
    for (_, ended), (began, _) in zip(sorted(spans), sorted(spans)[1:], strict=False):
        assert ended <= began


async def test_a_long_step_keeps_its_worker(db: Database) -> None:
    spans: list[tuple[float, float]] = []
    saga_id = await start(db, Slow(3, spans))
    engines = [await worker(db, Slow(3, spans)) for _ in range(2)]
    await engines[0].idle()
    async with db.read() as tx:
        row = await engines[0].store.get(tx, saga_id)
    assert row is not None and row.state == DONE
    assert len(spans) == 1
    for engine in engines:
        await engine.stop()


async def test_a_short_loss_of_the_database_stops_nothing(db: Database) -> None:
    spans: list[tuple[float, float]] = []
    unsteady = Unsteady(db)
    await start(db, Slow(2, spans))
    first = await worker(unsteady, Slow(2, spans))
    await until(lambda: bool(first._tasks))
    second = await worker(db, Slow(2, spans))
    await asyncio.sleep(0.4)
    unsteady.is_away = True
    await asyncio.sleep(0.4)
    unsteady.is_away = False
    await second.idle()
    assert len(spans) == 1
    for engine in (first, second):
        await engine.stop()


async def test_a_worker_without_database_lets_go_before_another_begins(db: Database) -> None:
    spans: list[tuple[float, float]] = []
    unsteady = Unsteady(db)
    await start(db, Slow(4, spans))
    first = await worker(unsteady, Slow(4, spans))
    await until(lambda: bool(first._leases._held))
    second = await worker(db, Slow(0.1, spans))
    await asyncio.sleep(0.5)
    unsteady.is_away = True
    await until(lambda: len(spans) == 2)
    assert_apart(spans)
    unsteady.is_away = False
    for engine in (first, second):
        await engine.stop()


async def test_a_dead_workers_saga_is_taken_up_within_a_lease(db: Database) -> None:
    spans: list[tuple[float, float]] = []
    await start(db, Slow(30, spans))
    first = await worker(db, Slow(30, spans))
    await until(lambda: bool(first._leases._held))
    second = await worker(db, Slow(0.1, spans))
    died = time.monotonic()
    # As kill -9 does: nothing is said to the database any more.
    for task in (first._sweeper, first._leases._keeper, *first._tasks.values()):
        assert task is not None
        task.cancel()
    await second.idle()
    # 15 s in real times.
    assert time.monotonic() - died < 1.5 + 1
    await second.stop()


async def test_a_worker_that_stops_hands_its_work_over_at_once(db: Database) -> None:
    spans: list[tuple[float, float]] = []
    await start(db, Slow(30, spans))
    first = await worker(db, Slow(30, spans))
    await until(lambda: bool(first._leases._held))
    second = await worker(db, Slow(0, spans))
    await first.stop()
    async with db.read() as tx:
        held = await first.store.count(
            tx, saga_table.c.state.in_(ACTIVE_STATES), saga_table.c.owner == first.owner, saga_table.c.lease_until.is_not(None)
        )
    assert held == 0
    stopped = time.monotonic()
    await second.idle()
    assert time.monotonic() - stopped < 1
    assert_apart(spans)
    await second.stop()


async def test_a_step_under_way_may_end_within_the_grace(db: Database) -> None:
    spans: list[tuple[float, float]] = []
    saga_id = await start(db, Slow(0.5, spans))
    engine = await worker(db, Slow(0.5, spans))
    await until(lambda: bool(engine._leases._held))
    await engine.stop(grace_seconds=5)
    async with db.read() as tx:
        row = await engine.store.get(tx, saga_id)
    assert row is not None and row.step == 1 and row.results == {"work": None}


async def test_reconcilers_run_on_one_worker_and_move_when_it_dies(db: Database) -> None:
    ran: list[str] = []

    def reconciler(name: str) -> Reconciler:
        async def run() -> None:
            ran.append(name)

        return Reconciler("test.heal", 0.1, run)

    first, second = ReconcilerLoop(db, "first"), ReconcilerLoop(db, "second")
    first.start([reconciler("first")], alone=False)
    await until(lambda: "first" in ran)
    second.start([reconciler("second")], alone=False)
    await asyncio.sleep(1.5)
    assert "second" not in ran
    for task in (first._taker, first._leases._keeper, *first._loops.values()):
        assert task is not None
        task.cancel()
    died = time.monotonic()
    await until(lambda: "second" in ran)
    assert time.monotonic() - died < 1.5 + 1
    await second.stop()


async def test_a_worker_that_stops_leaves_its_reconcilers_to_others(db: Database) -> None:
    ran: list[str] = []

    async def run() -> None:
        ran.append("x")

    first, second = ReconcilerLoop(db, "first"), ReconcilerLoop(db, "second")
    first.start([Reconciler("test.heal", 60, run)], alone=False)
    await until(lambda: len(ran) == 1)
    await first.stop()
    second.start([Reconciler("test.heal", 60, run)], alone=False)
    await until(lambda: len(ran) == 2, seconds=1)
    await second.stop()
