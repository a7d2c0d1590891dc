"""Leases: a worker holds its work for some seconds at a time, and lets go before a lease that it cannot renew runs out.

So a dead worker's work is taken up soon, and two workers never do the same at once while their clocks agree within a second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from cloudd.kit.clock import now
from cloudd.kit.db import Database

log = logging.getLogger(__name__)

#: A worker that died is missed after this long.
LEASE_SECONDS = 12.0
#: A lease is renewed this often: three attempts may fail before anything has to stop.
RENEW_SECONDS = 3.0
#: Between attempts while the database is away.
RETRY_SECONDS = 0.5
#: What could not be renewed is stopped this long before others may take it.
MARGIN_SECONDS = 2.5


class Leases:
    """The leases of one worker on the rows of a table with ``id``, ``owner`` and ``lease_until``.

    ``lost`` is called with the id of a row whose lease is as good as over, or that another has taken: the work on it must stop.
    """

    def __init__(self, db: Database, table: sa.Table, owner: str, lost: Callable[[str], None]) -> None:
        self.db = db
        self.table = table
        self.owner = owner
        self._lost = lost
        #: since when, on this process's own clock
        self._held: dict[str, float] = {}
        self._keeper: asyncio.Task[None] | None = None

    @staticmethod
    def until() -> datetime:
        """The end of a lease that begins now."""
        return now() + timedelta(seconds=LEASE_SECONDS)

    def free(self) -> sa.ColumnElement[bool]:
        """Whether nobody holds a row."""
        return sa.or_(self.table.c.lease_until.is_(None), self.table.c.lease_until < now())

    def took(self, key: str, began: float) -> None:
        """This row was leased, at ``began`` (``time.monotonic()`` before that was asked of the database)."""
        self._held[key] = began

    def dropped(self, key: str) -> None:
        """The work on it has ended."""
        self._held.pop(key, None)

    def start(self) -> None:
        """Renew from now on."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())

    async def stop(self, *, release: bool) -> None:
        """Renew no more. ``release``: let others go on at once with what is still in this worker's name."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if release:
            try:
                async with asyncio.timeout(RENEW_SECONDS), self.db.write() as tx:
                    mine = sa.and_(self.table.c.owner == self.owner, self.table.c.lease_until.is_not(None))
                    await tx.execute(sa.update(self.table).where(mine).values(lease_until=None))
            except Exception as error:
                log.warning("leases run out by themselves, they could not be released: %s", error)

    async def _keep(self) -> None:
        wait = RENEW_SECONDS
        while True:
            await asyncio.sleep(wait)
            wait = RENEW_SECONDS
            if not self._held:
                continue
            try:
                async with asyncio.timeout(RENEW_SECONDS):
                    await self._renew()
            except Exception as error:
                log.warning("leases could not be renewed (%s: %s); trying again", type(error).__name__, getattr(error, "orig", error))
                wait = RETRY_SECONDS
            self._let_go()

    async def _renew(self) -> None:
        began, keys = time.monotonic(), list(self._held)
        async with self.db.write() as tx:
            mine = sa.and_(self.table.c.id.in_(keys), self.table.c.owner == self.owner)
            held: Any = sa.and_(mine, self.table.c.lease_until.is_not(None))
            await tx.execute(sa.update(self.table).where(held).values(lease_until=self.until()))
            kept = {row["id"] for row in await tx.rows(sa.select(self.table.c.id).where(mine))}
        for key in keys:
            if key not in self._held:
                continue
            if key in kept:
                self._held[key] = began
            else:
                self._give_up(key, "another worker has it")

    def _let_go(self) -> None:
        for key, began in list(self._held.items()):
            if time.monotonic() - began > LEASE_SECONDS - MARGIN_SECONDS:
                self._give_up(key, "its lease could not be renewed in time")

    def _give_up(self, key: str, reason: str) -> None:
        log.warning("this worker stops its work on %s: %s", key, reason)
        self._held.pop(key, None)
        self._lost(key)
