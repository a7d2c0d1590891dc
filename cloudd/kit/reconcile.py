"""Reconcilers: periodic, without input; each compares what is with what should be, and heals the difference."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

import msgspec
import sqlalchemy as sa

from cloudd.kit import log as kit_log
from cloudd.kit.auth import new_request_id
from cloudd.kit.clock import now
from cloudd.kit.db import Database, Moment, Transaction, metadata
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
    """Activates the reconcilers of all services in a worker."""

    def __init__(self, db: Database, owner: str) -> None:
        self.db = db
        self.owner = owner
        self.store: Store[ReconcilerRow] = Store(reconciler_table, ReconcilerRow)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, reconcilers: list[Reconciler]) -> None:
        self._tasks += [asyncio.create_task(self._loop(reconciler)) for reconciler in reconcilers]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _loop(self, reconciler: Reconciler) -> None:
        while True:
            kit_log.request_id.set(new_request_id())
            try:
                if await retried(partial(self._claim, reconciler), idempotent=True):
                    await retried(reconciler.run, idempotent=True)
            except Exception:
                log.exception("reconciler %s failed; it goes on", reconciler.name)
            await asyncio.sleep(reconciler.interval_seconds)

    async def _claim(self, reconciler: Reconciler) -> bool:
        """Take or keep the turn: twice the interval, so that another worker takes over from a dead one."""
        async with self.db.write() as tx:
            row = await self._row(tx, reconciler.name)
            moment = now()
            if row.owner not in (None, self.owner) and row.lease_until is not None and row.lease_until > moment:
                return False
            lease = moment + timedelta(seconds=2 * reconciler.interval_seconds + 10)
            return await self.store.update(tx, reconciler.name, owner=self.owner, lease_until=lease)

    async def _row(self, tx: Transaction, name: str) -> ReconcilerRow:
        row = await self.store.get(tx, name, lock=True)
        if row is None:
            row = ReconcilerRow(name, None, None)
            await self.store.insert(tx, row)
        return row

    async def forget_leases(self) -> None:
        """Void all turns: right only where no other process works on this database."""
        async with self.db.write() as tx:
            await tx.execute(sa.update(reconciler_table).values(owner=None, lease_until=None))
