"""Work that a real MariaDB gives up is done again: deadlocks, killed connections, nodes that say nothing; but never twice."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextvars import Context
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from cloudd.kit import retry
from cloudd.kit.db import Database, Transaction
from cloudd.kit.lock import hold, lock_table
from cloudd.kit.retry import is_unavailable, retried
from cloudd.kit.web import PUBLIC, Dispatcher, ServiceApp, as_condition, route
from tests.mariadb import MariaDB
from tests.unit.kit.conftest import with_kit_tables
from tests.unit.kit.frozen_proxy import FrozenProxy


@pytest.fixture
async def db(mariadb: MariaDB) -> AsyncIterator[Database]:
    database = await with_kit_tables(mariadb.new_database())
    yield database
    await database.close()


async def turns(db: Database) -> dict[str, int]:
    """How often each lock was held by a transaction that committed."""
    async with db.read() as tx:
        return {row["id"]: row["turns"] for row in await tx.rows(sa.select(lock_table))}


async def connection_of(tx: Transaction) -> int:
    return int(await tx.scalar(sa.text("select connection_id()")))


class Crossing:
    """Two pieces of work that take the same two locks in opposite order, each with one in hand before it asks for the other."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.attempts = 0
        self.meeting = asyncio.Barrier(2)

    async def cross(self, first: str, second: str) -> str:
        self.attempts += 1
        is_first_round = self.attempts <= 2
        async with self.db.write() as tx:
            await hold(tx, first)
            if is_first_round:
                await self.meeting.wait()
            await hold(tx, second)
        return first


async def locks(db: Database, *names: str) -> None:
    for name in names:
        async with db.write() as tx:
            await hold(tx, name)


async def test_a_deadlock_is_done_again(db: Database) -> None:
    await locks(db, "a", "b")
    crossing = Crossing(db)
    done = await asyncio.gather(retried(lambda: crossing.cross("a", "b")), retried(lambda: crossing.cross("b", "a")))
    assert done == ["a", "b"]
    assert crossing.attempts == 3, "one of the two was the victim, once"
    assert await turns(db) == {"a": 3, "b": 3}


async def test_a_request_that_meets_a_deadlock_is_answered(db: Database) -> None:
    await locks(db, "a", "b")
    crossing = Crossing(db)

    @route("POST", "/{first:str}/{second:str}", rule=PUBLIC)
    async def cross(first: str, second: str) -> dict[str, str]:
        return {"first": await crossing.cross(first, second)}

    app = ServiceApp(
        "crossing", [cross], title="Crossing", error_body=lambda condition, _: condition.text, policy=Any, authenticator=Any  # type: ignore[arg-type]
    )  # fmt: skip
    transport = httpx.ASGITransport(app=Dispatcher({"crossing": app}))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://cloud") as client:
        answers = await asyncio.gather(client.post("/crossing/a/b"), client.post("/crossing/b/a"))
    assert [answer.json() for answer in answers] == [{"first": "a"}, {"first": "b"}]
    assert crossing.attempts == 3


async def test_work_whose_connection_is_killed_is_done_again_and_once(db: Database, mariadb: MariaDB) -> None:
    attempts = 0

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        async with db.write() as tx:
            await hold(tx, "a")
            if attempts == 1:
                mariadb.run(f"kill {await connection_of(tx)}")
            await hold(tx, "b")

    await retried(work)
    assert attempts == 2
    assert await turns(db) == {"a": 1, "b": 1}


async def test_what_has_committed_is_not_done_again_unless_it_may_be(db: Database, mariadb: MariaDB) -> None:
    async def work() -> None:
        await locks(db, "committed")
        async with db.write() as tx:
            await hold(tx, "a")
            if (await turns(db))["committed"] == 1:
                mariadb.run(f"kill {await connection_of(tx)}")
            await hold(tx, "b")

    with pytest.raises(DBAPIError) as lost:
        await retried(work)
    assert is_unavailable(lost.value)
    assert await turns(db) == {"committed": 1}
    async with db.write() as tx:
        await tx.execute(sa.delete(lock_table))
    await retried(work, idempotent=True)
    assert await turns(db) == {"committed": 2, "a": 1, "b": 1}


async def test_a_commit_without_an_answer_may_have_happened(db: Database, mariadb: MariaDB) -> None:
    attempts = 0

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        async with db.write() as tx:
            await hold(tx, "a")
            mariadb.run(f"kill {await connection_of(tx)}")

    with pytest.raises(DBAPIError):
        await retried(work)
    assert attempts == 1


async def test_a_duplicate_made_meanwhile_is_looked_at_again(db: Database) -> None:
    seen = []

    async def work() -> str:
        async with db.write() as tx:
            found = await tx.scalar(sa.select(lock_table.c.turns).where(lock_table.c.id == "name"))
            seen.append(found)
            if found is not None:
                return "taken"
            # Somebody else, in between.
            await asyncio.create_task(locks(db, "name"), context=Context())
            await tx.execute(sa.insert(lock_table).values(id="name", turns=0))
            return "made"

    assert await retried(work) == "taken"
    assert seen == [None, 1]


async def test_other_errors_come_through_at_once(db: Database) -> None:
    attempts = 0

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        async with db.read() as tx:
            await tx.scalar(sa.text("select nonsense"))

    with pytest.raises(DBAPIError, match="1054"):
        await retried(work)
    assert attempts == 1


async def test_a_read_goes_on_over_another_connection(db: Database, mariadb: MariaDB) -> None:
    await locks(db, "a")
    async with db.read() as tx:
        mariadb.run(f"kill {await connection_of(tx)}")
        assert await tx.scalar(sa.select(lock_table.c.turns)) == 1


async def test_killed_connections_of_the_pool_are_replaced(db: Database, mariadb: MariaDB) -> None:
    async def connection() -> int:
        async with db.read() as tx:
            await asyncio.sleep(0.05)
            return await connection_of(tx)

    for number in await asyncio.gather(*(connection() for _ in range(4))):
        mariadb.run(f"kill {number}")
    for _ in range(4):
        await locks(db, "a")
    assert await turns(db) == {"a": 4}


async def test_a_node_that_fell_silent_behind_its_proxy_costs_less_than_three_seconds(mariadb: MariaDB) -> None:
    url = sa.make_url(mariadb.new_database())
    async with FrozenProxy(mariadb.socket) as proxy:
        db = await with_kit_tables(str(url.set(host="127.0.0.1", port=proxy.port, query={})))
        await locks(db, "a")
        proxy.freeze()  # what is open stays open and says nothing; new connections reach another node
        started = time.monotonic()
        await retried(lambda: locks(db, "a"))
        assert 0.5 < time.monotonic() - started < 3
        proxy.freeze(also_new=True)
        waiting = asyncio.create_task(locks(db, "a"))
        await asyncio.sleep(2)
        assert not waiting.done()
        proxy.thaw()  # the proxy has found another node
        await asyncio.wait_for(waiting, 3)
        assert (await turns(db))["a"] == 3
        await db.close()


async def test_a_database_that_stays_away_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "UNAVAILABLE_SECONDS", 0.5)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        db = Database(f"mysql://root@127.0.0.1:{unused.getsockname()[1]}/cloudd")
        with pytest.raises(DBAPIError, match="2003") as away:
            await locks(db, "a")
        assert is_unavailable(away.value)
        await db.close()
    condition = as_condition(away.value, "req-1")
    assert (condition.status, condition.headers) == (503, {"Retry-After": "2"})


async def test_a_proxy_that_hangs_up_at_once_is_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "UNAVAILABLE_SECONDS", 0.5)

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as proxy:
        db = Database(f"mysql://root@127.0.0.1:{proxy.sockets[0].getsockname()[1]}/cloudd")
        seen = set()
        for _ in range(5):
            with pytest.raises(DBAPIError) as away:
                await locks(db, "a")
            seen.add(is_unavailable(away.value))
        assert seen == {True}
        await db.close()
