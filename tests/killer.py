"""Stands for kill -9 in the middle of a saga: runs work again and again, with a kill at each point that it passes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa

from cloudd.kit.saga import ACTIVE_STATES, saga_table
from tests.conftest import EmbeddedCloud

Work = Callable[[], Awaitable[Any]]


class Killed(BaseException):
    """Nothing catches it."""


class Killer:
    """Does the work, is killed at a point, and lets a worker go on."""

    def __init__(self, cloud: EmbeddedCloud) -> None:
        self.cloud = cloud
        self.sagas = cloud.cloud.sagas

    async def points(self, kind: str, work: Work) -> list[str]:
        """The points that an undisturbed run of sagas of this kind passes, each step's first one among them unless the saga fails."""
        seen: list[str] = []
        self.sagas.probe = lambda point: seen.append(point) if point.startswith(f"{kind}.") else None
        await work()
        await self.cloud.settle()
        self.sagas.probe = lambda point: None
        steps = self.sagas.sagas[kind].steps
        assert f"{kind}.{steps[0]}.before" in seen, f"no saga {kind} ran"
        is_back = any(point.startswith(f"{kind}.undo.") for point in seen)
        assert is_back or {f"{kind}.{step}.{when}" for step in steps for when in ("before", "done", "after")} <= set(seen), seen
        return list(dict.fromkeys(seen))

    async def with_kill_at(self, point: str, work: Work) -> None:
        """Do the work, be killed once at that point, and be started again. The work must not wait for its saga."""
        struck = asyncio.Event()

        def probe(here: str) -> None:
            if here == point and not struck.is_set():
                struck.set()
                raise Killed

        self.sagas.probe = probe
        await work()
        try:
            async with asyncio.timeout(10):
                await struck.wait()
        except TimeoutError:
            raise AssertionError(f"{point} was never reached") from None
        # The task that was struck dies before anything else is asked of it.
        await asyncio.sleep(0)
        async with self.cloud.cloud.db.write() as tx:
            active = saga_table.c.state.in_(ACTIVE_STATES)
            await tx.execute(sa.update(saga_table).where(active).values(owner=None, lease_until=None))
        await self.sagas.sweep()
        await self.cloud.settle()
        self.sagas.probe = lambda here: None
