"""Sagas: steps saved one by one, undo in reverse, and a kill at any point costs nothing but time."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cloudd.kit.db import Database
from cloudd.kit.errors import Condition, Unreachable
from cloudd.kit.saga import DONE, FAILED, STUCK, Run, Saga, SagaEngine
from tests.killer import Killed


class Broken(Condition):
    code = "test.broken"
    message = "broken on purpose"


class Params(msgspec.Struct):
    fail_at: str | None = None
    fail_undo: bool = False


class Build(Saga):
    """Three steps over a set that stands for the world; each is idempotent as the kit asks."""

    kind = "test.build"
    params = Params
    steps = ("one", "two", "three")

    def __init__(self) -> None:
        self.world: set[str] = set()
        self.ended: list[str] = []
        self.flaky = 0

    async def _do(self, run: Run, name: str) -> dict[str, Any]:
        self.world.add(name)
        if self.flaky:
            self.flaky -= 1
            raise Unreachable(topic="host", reason="away")
        if run.params.fail_at == name:
            raise Broken
        return {"made": name}

    async def _undo(self, run: Run, name: str) -> None:
        if run.params.fail_undo:
            raise Broken
        self.world.discard(name)

    async def one(self, run: Run) -> dict[str, Any]:
        return await self._do(run, "one")

    async def undo_one(self, run: Run) -> None:
        await self._undo(run, "one")

    async def two(self, run: Run) -> dict[str, Any]:
        assert run.results["one"] == {"made": "one"}
        return await self._do(run, "two")

    async def undo_two(self, run: Run) -> None:
        await self._undo(run, "two")

    async def three(self, run: Run) -> dict[str, Any]:
        return await self._do(run, "three")

    async def undo_three(self, run: Run) -> None:
        await self._undo(run, "three")

    async def failed(self, run: Run, error: Condition) -> None:
        self.ended.append(error.text)


async def start(db: Database, saga: Saga, params: Params) -> str:
    engine = SagaEngine(db)
    engine.register(saga)
    async with db.write() as tx:
        return await engine.start(tx, saga.kind, params, resource_id="r", request_id="req-1")


async def state_of(db: Database, saga_id: str) -> str:
    engine = SagaEngine(db)
    async with db.read() as tx:
        row = await engine.store.get(tx, saga_id)
    assert row is not None
    return row.state


async def work(db: Database, saga: Saga, kill_at: int | None = None) -> int:
    """One worker's life: runs until all is done, or dies at the kill_at-th point. Returns how many points it passed."""
    engine = SagaEngine(db)
    engine.register(saga)
    passed = 0

    def probe(point: str) -> None:
        nonlocal passed
        passed += 1
        if passed == kill_at:
            raise Killed(point)

    engine.probe = probe
    async with db.read() as tx:
        ids = [row.id for row in await engine.store.find(tx)]
    await engine.run_worker(alone=True, sweep_seconds=60)
    engine._sweeper.cancel()  # type: ignore[union-attr]
    try:
        for saga_id in ids:
            await engine._claim_and_run(saga_id)
    except Killed:
        pass
    return passed


async def test_runs_all_steps_and_keeps_their_results(db: Database) -> None:
    saga = Build()
    saga_id = await start(db, saga, Params())
    await work(db, saga)
    assert await state_of(db, saga_id) == DONE
    assert saga.world == {"one", "two", "three"}


@pytest.mark.parametrize("at", ["one", "two", "three"])
async def test_undoes_in_reverse_and_says_why(db: Database, at: str) -> None:
    saga = Build()
    saga_id = await start(db, saga, Params(fail_at=at))
    await work(db, saga)
    assert await state_of(db, saga_id) == FAILED
    assert saga.world == set()
    assert saga.ended == ["broken on purpose"]


@pytest.mark.parametrize("params", [Params(), Params(fail_at="three")], ids=["success", "failure"])
async def test_a_kill_at_every_point_costs_time_never_state(db: Database, params: Params) -> None:
    saga = Build()
    await start(db, saga, params)
    points = await work(db, saga)
    assert points > 6
    for kill_at in range(1, points + 1):
        saga = Build()
        saga_id = await start(db, saga, params)
        await work(db, saga, kill_at)
        await work(db, saga)
        assert await state_of(db, saga_id) == (FAILED if params.fail_at else DONE), kill_at
        assert saga.world == (set() if params.fail_at else {"one", "two", "three"}), kill_at


async def test_a_passing_error_is_tried_again(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudd.kit.saga.RETRY_SECONDS", (0, 0, 0))
    saga = Build()
    saga.flaky = 3
    saga_id = await start(db, saga, Params())
    await work(db, saga)
    assert await state_of(db, saga_id) == DONE


async def test_an_undo_that_fails_is_stuck_and_never_silent(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudd.kit.saga.UNDO_ATTEMPTS", 2)
    saga = Build()
    saga_id = await start(db, saga, Params(fail_at="two", fail_undo=True))
    await work(db, saga)
    assert await state_of(db, saga_id) == STUCK
    assert saga.ended == []


async def test_a_saga_held_by_another_worker_is_left_alone(db: Database) -> None:
    saga = Build()
    saga_id = await start(db, saga, Params())
    other, mine = SagaEngine(db), SagaEngine(db)
    assert await other._claim(saga_id) is not None
    assert await mine._claim(saga_id) is None


async def test_a_rolled_back_transaction_starts_nothing(db: Database) -> None:
    engine = SagaEngine(db)
    engine.register(Build())

    async def start_and_fail() -> None:
        async with db.write() as tx:
            await engine.start(tx, "test.build", Params(), resource_id="r", request_id="req-1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await start_and_fail()
    async with db.read() as tx:
        assert await engine.store.count(tx) == 0
