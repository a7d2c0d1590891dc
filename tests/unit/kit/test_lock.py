"""Locks by name: of many that count at once, as many pass as there are places, on both databases."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from cloudd.kit.db import Database, Id
from cloudd.kit.lock import hold
from cloudd.kit.retry import retried
from tests.mariadb import MariaDB
from tests.unit.kit.conftest import with_kit_tables

guest_table = sa.Table("test_guest", sa.MetaData(), sa.Column("id", Id(), primary_key=True))
PLACES = 3


async def test_the_last_place_is_taken_once(db: Database) -> None:
    await db.engine.run(guest_table.metadata.create_all)

    async def arrive(name: str) -> bool:
        async with db.write() as tx:
            await hold(tx, "test.guests/hall")
            if await tx.scalar(sa.select(sa.func.count()).select_from(guest_table)) >= PLACES:
                return False
            await tx.execute(sa.insert(guest_table).values(id=name))
            return True

    # Nobody has held this lock before: the first ones race for its row too.
    admitted = await asyncio.gather(*(retried(lambda name=f"g{i}": arrive(name)) for i in range(12)))  # type: ignore[misc]
    assert sum(admitted) == PLACES


async def test_different_names_do_not_wait_for_each_other(mariadb: MariaDB) -> None:
    db = await with_kit_tables(mariadb.new_database())

    async def take(name: str) -> None:
        async with db.write() as tx:
            await hold(tx, name)

    await take("test/a")
    await take("test/b")
    async with db.write() as tx:
        await hold(tx, "test/a")
        await asyncio.wait_for(take("test/b"), 2)
    await db.close()
