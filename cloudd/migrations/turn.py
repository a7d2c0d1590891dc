"""One process at a time brings the database up to date, on whichever host it runs: the others wait for their turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from cloudd.kit.db import Database, MariaDB
from cloudd.kit.retry import is_deadlock
from cloudd.kit.settings import DatabaseSettings, Settings

#: Apart from all other tables, for it is there before the first of them.
TABLE = "kit_schema_turn"
PATIENCE_SECONDS = 900
SETTLE_SECONDS = 2


@asynccontextmanager
async def turn(settings: Settings) -> AsyncIterator[None]:
    """Hold the database's schema and first records alone. DBAPIError where the others take longer than a quarter of an hour.

    A row is held by a connection of its own, because statements that change tables end the transaction they are in. SQLite needs
    none: its one file has one writer.
    """
    db = Database.of(settings.section(DatabaseSettings))
    try:
        if not isinstance(db.engine, MariaDB):
            yield
            return
        async with db.engine.engine.connect() as connection:
            await _make(connection)
            await _hold(connection)
            yield
            await connection.rollback()
    finally:
        await db.close()


async def _make(connection: AsyncConnection) -> None:
    known = sa.text("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = :name")
    if not (await connection.execute(known, {"name": TABLE})).scalar():
        await connection.execute(sa.text(f"CREATE TABLE IF NOT EXISTS {TABLE} (id INTEGER PRIMARY KEY)"))
        await connection.execute(sa.text(f"INSERT IGNORE INTO {TABLE} VALUES (1)"))  # noqa: S608  # a constant
        await connection.commit()
        # In a cluster a table that is made once more ends the transactions that hold it: let those who saw none come to their end.
        await asyncio.sleep(SETTLE_SECONDS)
    await connection.rollback()


async def _hold(connection: AsyncConnection) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            await connection.execute(sa.text(f"SELECT id FROM {TABLE} WHERE id = 1 FOR UPDATE"))  # noqa: S608  # a constant
        except DBAPIError as error:
            if not is_deadlock(error) or time.monotonic() > deadline:
                raise
            await connection.rollback()
        else:
            return
