"""Reconcilers: periodic, without input; each compares what is with what should be, and heals the difference."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit import log as kit_log
from cloudd.kit.auth import new_request_id
from cloudd.kit.db import Database, Moment, metadata
from cloudd.kit.lease import RENEW_SECONDS, Leases
from cloudd.kit.retry import retried
from cloudd.kit.store import Store

log = logging.getLogger(__name__)

reconciler_table = sa.Table(
    "kit_reconciler",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(128)),
    sa.Column("lease_until", Moment()),
)


class ReconcilerRow(msgspec.Struct):
    id: str
    owner: str | None
    lease_until: datetime | None


class Reconciler(msgspec.Struct, frozen=True):
    """``run`` heals; it is activated every ``interval_seconds`` and once at start, on one worker at a time."""

    name: str
    interval_seconds: float
    run: Callable[[], Awaitable[None]]


class ReconcilerLoop:
    """Activates the reconcilers of all services in a worker: all of them where it is alone, else those that it holds."""

    def __init__(self, db: Database, owner: str) -> None:
        self.db = db
        self.owner = owner
        self.store: Store[ReconcilerRow] = Store(reconciler_table, ReconcilerRow)
        self._leases = Leases(db, reconciler_table, owner, self._lost)
        self._loops: dict[str, asyncio.Task[None]] = {}
        self._taker: asyncio.Task[None] | None = None

    def start(self, reconcilers: list[Reconciler], *, alone: bool) -> None:
        """``alone``: no other process works on this database."""
        if alone:
            for reconciler in reconcilers:
                self._loops[reconciler.name] = asyncio.create_task(self._loop(reconciler))
            return
        self._leases.start()
        self._taker = asyncio.create_task(self._take_turns(reconcilers))

    async def stop(self) -> None:
        """What runs ends in the middle: others begin it anew, without input as it is."""
        tasks = [*self._loops.values(), *([self._taker] if self._taker else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._leases.stop(release=self._taker is not None)

    async def _loop(self, reconciler: Reconciler) -> None:
        while True:
            kit_log.request_id.set(new_request_id())
            try:
                await retried(reconciler.run, idempotent=True)
            except Exception:
                log.exception("reconciler %s failed; it goes on", reconciler.name)
            await asyncio.sleep(reconciler.interval_seconds)

    async def _take_turns(self, reconcilers: list[Reconciler]) -> None:
        """Take what nobody holds: at first what was never held, later what a dead worker held."""
        while True:
            try:
                for name in await self._free([reconciler.name for reconciler in reconcilers]):
                    await self._take(next(reconciler for reconciler in reconcilers if reconciler.name == name))
            except Exception as error:
                log.warning("cannot see which reconcilers wait for a worker (%s); trying on", error)
            await asyncio.sleep(RENEW_SECONDS)

    async def _free(self, names: list[str]) -> list[str]:
        async with self.db.read() as tx:
            rows = await tx.rows(sa.select(reconciler_table.c.id).where(sa.not_(self._leases.free())))
        held = {row["id"] for row in rows}
        return [name for name in names if name not in held and name not in self._loops]

    async def _take(self, reconciler: Reconciler) -> None:
        began = time.monotonic()
        if await retried(lambda: self._claim(reconciler.name), idempotent=True):
            self._leases.took(reconciler.name, began)
            self._loops[reconciler.name] = asyncio.create_task(self._loop(reconciler))

    async def _claim(self, name: str) -> bool:
        until = self._leases.until()
        async with self.db.write() as tx:
            if await self.store.get(tx, name) is None:
                # A duplicate key, when another was quicker, is tried again from above.
                await self.store.insert(tx, ReconcilerRow(id=name, owner=self.owner, lease_until=until))
                return True
            free = sa.or_(self._leases.free(), reconciler_table.c.owner == self.owner)
            return await self.store.update(tx, name, free, owner=self.owner, lease_until=until)

    def _lost(self, name: str) -> None:
        """Another worker may take it any moment."""
        loop = self._loops.pop(name, None)
        if loop is not None:
            loop.cancel()
