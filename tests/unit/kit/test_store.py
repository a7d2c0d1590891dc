"""Stores and pages, on SQLite and on a real MariaDB where the machine has its server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloudd.kit.clock import now
from cloudd.kit.db import Database, Id, Json, Moment
from cloudd.kit.errors import BadRequest
from cloudd.kit.paging import MarkerNotFound, Page, next_link, parse_page
from cloudd.kit.store import Store, ValueTooLarge, json_contains

thing_table = sa.Table(
    "test_thing",
    sa.MetaData(),
    sa.Column("id", Id(), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("size", sa.Integer),
    sa.Column("tags", Json(), nullable=False),
    sa.Column("made_at", Moment(), nullable=False),
)


class Thing(msgspec.Struct):
    id: str
    name: str
    size: int | None
    tags: list[str]
    made_at: datetime


THINGS: Store[Thing] = Store(thing_table, Thing)


async def filled(db: Database) -> list[Thing]:
    await db.engine.run(thing_table.metadata.create_all)
    things = [Thing(f"id{i}", f"n{i}", None if i == 3 else i % 3, ["ä"], now()) for i in range(7)]
    async with db.write() as tx:
        await THINGS.insert_all(tx, things)
    return things


async def test_a_record_comes_back_as_it_went(db: Database) -> None:
    things = await filled(db)
    async with db.read() as tx:
        assert await THINGS.get(tx, "id3") == things[3]
        assert await THINGS.get(tx, "none") is None


async def test_pages_cover_all_once_whatever_the_order(db: Database) -> None:
    things = await filled(db)
    for sort in ([], [("size", False)], [("size", True)], [("name", True)]):
        seen: list[str] = []
        marker = None
        while True:
            async with db.read() as tx:
                page = await THINGS.page(tx, Page(2, marker, sort))
            if not page:
                break
            seen += [thing.id for thing in page]
            marker = seen[-1]
        assert sorted(seen) == [thing.id for thing in things], sort
        assert len(seen) == len(set(seen))


async def test_an_unknown_marker_is_a_bad_request(db: Database) -> None:
    await filled(db)
    async with db.read() as tx:
        with pytest.raises(MarkerNotFound):
            await THINGS.page(tx, Page(2, "none"))


async def test_update_compares_and_swaps(db: Database) -> None:
    await filled(db)
    async with db.write() as tx:
        assert await THINGS.update(tx, "id1", thing_table.c.size == 1, size=5)
        assert not await THINGS.update(tx, "id1", thing_table.c.size == 1, size=6)
        assert await THINGS.update(tx, "id1", size=5), "a row that is there counts, changed or not"


async def test_a_unique_key_is_kept_and_the_transaction_undone(db: Database) -> None:
    things = await filled(db)

    async def replace() -> None:
        async with db.write() as tx:
            await THINGS.delete(tx, "id2")
            await THINGS.insert(tx, msgspec.structs.replace(things[0], id="new"))

    with pytest.raises(IntegrityError):
        await replace()
    async with db.read() as tx:
        assert await THINGS.count(tx) == 7


async def test_case_and_spaces_at_the_end_count(db: Database) -> None:
    await filled(db)
    async with db.write() as tx:
        for name in ("N1", "n1 "):
            assert not await THINGS.find(tx, thing_table.c.name == name)
            await THINGS.insert(tx, Thing(name, name, 1, ["Blue"], now()))
    async with db.read() as tx:
        found = await THINGS.find(tx, json_contains(thing_table.c.tags, '"Blue"'), order=thing_table.c.id)
        assert [thing.id for thing in found] == ["N1", "n1 "]
        assert not await THINGS.find(tx, json_contains(thing_table.c.tags, '"blue"'))


@pytest.mark.parametrize(("name", "value"), [("name", "ä" * 65), ("size", 2**31), ("size", -(2**40))])
async def test_what_a_column_does_not_hold_is_a_bad_request(db: Database, name: str, value: Any) -> None:
    things = await filled(db)
    changed = msgspec.structs.replace(things[0], id="new", **{name: value})
    async with db.write() as tx:
        for refused in (THINGS.insert(tx, changed), THINGS.insert_all(tx, [changed]), THINGS.update(tx, "id0", **{name: value})):
            with pytest.raises(ValueTooLarge, match=name):
                await refused
        assert await THINGS.update(tx, "id0", name="ä" * 64, size=2**31 - 1), "the largest fit"


def test_a_record_must_match_its_table() -> None:
    class Wrong(msgspec.Struct):
        id: str

    with pytest.raises(TypeError, match="name"):
        Store(thing_table, Wrong)


def test_parse_page() -> None:
    page = parse_page({"limit": "5", "marker": "m", "sort": "name:desc,size"}, ["name", "size"], [("name", False)])
    assert page == Page(5, "m", [("name", True), ("size", False)])
    for bad in ({"limit": "x"}, {"limit": "-1"}, {"sort": "nope"}, {"sort": "name:up"}):
        with pytest.raises(BadRequest):
            parse_page(bad, ["name"], [])
    assert next_link("http://x/v", {"limit": "1", "marker": "old"}, "new") == "http://x/v?limit=1&marker=new"
