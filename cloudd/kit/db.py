"""The database: one async engine over SQLite or MariaDB, explicit transactions, column types that both keep alike."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import CursorResult, Dialect, RowMapping, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.types import TypeDecorator, TypeEngine

from cloudd.kit import mariadb_connection
from cloudd.kit.retry import committing, is_deadlock, is_unavailable, retried
from cloudd.kit.settings import DatabaseSettings

#: how long a transaction waits for another process that writes to the same file
SQLITE_WAIT_SECONDS = 30
#: how long a transaction waits for another one's rows before it is taken back and done again
LOCK_WAIT_SECONDS = 10
POOL_RECYCLE_SECONDS = 600

#: Every table of every service; stable constraint names, so that migrations can speak of them.
metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Json(TypeDecorator[Any]):
    """Any JSON value, kept as text: the same on every database."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(mysql.LONGTEXT() if dialect.name in ("mysql", "mariadb") else sa.Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else msgspec.json.decode(value)


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime with microseconds."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(mysql.DATETIME(fsp=6) if dialect.name in ("mysql", "mariadb") else sa.DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def Id() -> sa.String:  # noqa: N802  (reads as a column type where it is used)
    """Column type of an identifier (a uuid in text, or an upstream name such as "default")."""
    return sa.String(64)


class Transaction:
    """One transaction's connection; ``after_commit`` queues what must happen only once it is durable."""

    def __init__(self, connection: AsyncConnection | sa.Connection, *, write: bool) -> None:
        self._connection = connection
        self._write = write
        self._begun = False
        #: whether it changes anything
        self.wrote = False
        self.hooks: list[Callable[[], None]] = []

    async def execute(self, statement: sa.Executable, values: Any = None) -> CursorResult[Any]:
        self.wrote = self.wrote or bool(getattr(statement, "is_dml", True))
        if isinstance(self._connection, sa.Connection):
            return self._connection.execute(statement, values)
        if self._write and self._begun:
            return await self._connection.execute(statement, values)
        # Of a write transaction nothing was done yet; with READ COMMITTED a read needs nothing of what was read before it.
        result = await retried(partial(_execute, self._connection, statement, values), when=is_unavailable)
        self._begun = True
        return result

    async def rows(self, statement: sa.Executable) -> Sequence[RowMapping]:
        return (await self.execute(statement)).mappings().all()

    async def row(self, statement: sa.Executable) -> RowMapping | None:
        return (await self.execute(statement)).mappings().first()

    async def scalar(self, statement: sa.Executable) -> Any:
        return (await self.execute(statement)).scalar()

    def after_commit(self, hook: Callable[[], None]) -> None:
        self.hooks.append(hook)


async def _execute(connection: AsyncConnection, statement: sa.Executable, values: Any) -> CursorResult[Any]:
    """The statement, as the first of a transaction. Where the node is away the connection is given up for another one."""
    try:
        return await connection.execute(statement, values)
    except DBAPIError as error:
        if is_unavailable(error):
            if not error.connection_invalidated:
                await connection.invalidate()
            await connection.rollback()
        raise


class Engine(Protocol):
    """What differs between the databases: how a transaction begins and ends."""

    def begin(self, *, write: bool) -> AbstractAsyncContextManager[Transaction]: ...

    async def run(self, work: Callable[[sa.Connection], Any]) -> Any:
        """Schema work on a plain connection, committed at the end."""

    async def close(self) -> None: ...


class Database:
    """Opens transactions: ``async with db.write() as tx`` and ``async with db.read() as tx``."""

    def __init__(self, url: str, pool_size: int = 10, ca_path: str | None = None) -> None:
        parsed = make_url(url)
        self.engine: Engine = SQLite(parsed) if parsed.drivername.startswith("sqlite") else MariaDB(parsed, pool_size, ca_path)

    @classmethod
    def of(cls, section: DatabaseSettings) -> Database:
        """The database that the settings name."""
        return cls(section.url, section.pool_size, section.ca_path)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """A read-write transaction: commits at the end, rolls back on any exception."""
        async with self.engine.begin(write=True) as tx:
            yield tx
        for hook in tx.hooks:
            hook()

    def read(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that only reads."""
        return self.engine.begin(write=False)

    async def create_tables(self) -> None:
        """Create every table as declared; for tests (a deployment runs the migrations)."""

        def work(connection: sa.Connection) -> None:
            compare_exactly(connection)
            metadata.create_all(connection)

        await self.engine.run(work)

    async def close(self) -> None:
        await self.engine.close()


class MariaDB:
    """MariaDB or MySQL by asyncmy."""

    def __init__(self, url: sa.URL, pool_size: int, ca_path: str | None = None) -> None:
        self.engine = create_async_engine(
            url.set(drivername="mysql+asyncmy"),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            pool_recycle=POOL_RECYCLE_SECONDS,
            isolation_level="READ COMMITTED",
            connect_args={
                "async_creator_fn": mariadb_connection.connect,
                "init_command": f"SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}",
                **({"ssl": _verifying(ca_path)} if ca_path else {}),
            },
        )

    @asynccontextmanager
    async def begin(self, *, write: bool) -> AsyncIterator[Transaction]:
        # Closing the connection takes back what was not committed.
        # Nothing is lost when nobody answers: wait for the proxy to find another node.
        connection = await retried(self._connection, when=is_unavailable)
        try:
            tx = Transaction(connection, write=write)
            yield tx
            with committing() if tx.wrote else nullcontext():
                await connection.commit()
        finally:
            # Shielded: a cancelled task must not leave it out of the pool.
            await _finished(connection.close())

    async def _connection(self) -> AsyncConnection:
        return await self.engine.connect()

    async def run(self, work: Callable[[sa.Connection], Any]) -> Any:
        async with self.engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        await self.engine.dispose()


def _verifying(ca_path: str) -> ssl.SSLContext:
    """TLS to a server of that authority. Its name is not compared: a proxy on this host leads to whichever member is to be used."""
    context = ssl.create_default_context(cafile=ca_path)
    context.check_hostname = False
    return context


class SQLite:
    """SQLite in this process. A statement takes some tens of microseconds, less than handing it to another thread would;
    only the commit, which waits for the disk, goes to one."""

    def __init__(self, url: sa.URL) -> None:
        # Without a limit on connections, for the event loop must never wait in the pool; connections are cheap.
        self.engine = sa.create_engine(
            url.set(drivername="sqlite+pysqlite"), max_overflow=-1, connect_args={"check_same_thread": False, "timeout": 0}
        )
        event.listen(self.engine, "connect", _prepare_sqlite)
        # SQLite has one writer: waiting in line here is quicker and fairer than its busy loop.
        self._writer = asyncio.Lock()

    @asynccontextmanager
    async def begin(self, *, write: bool) -> AsyncIterator[Transaction]:
        async with self._writer if write else nullcontext():
            with self.engine.connect() as connection:
                await _begin_sqlite(connection, write=write)
                try:
                    tx = Transaction(connection, write=write)
                    yield tx
                    if write:
                        with committing() if tx.wrote else nullcontext():
                            # Shielded: a cancelled task must not leave a commit half way in another thread.
                            await _finished(asyncio.to_thread(connection.commit))
                finally:
                    # After a commit this is nothing.
                    connection.rollback()

    async def run(self, work: Callable[[sa.Connection], Any]) -> Any:
        with self.engine.connect() as connection:
            # Migrations drop and rename tables that others refer to.
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            await _begin_sqlite(connection, write=True)
            try:
                result = work(connection)
                connection.commit()
            finally:
                connection.rollback()
                connection.exec_driver_sql("PRAGMA foreign_keys=ON")
            return result

    async def close(self) -> None:
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not open transactions by itself: we say BEGIN or BEGIN IMMEDIATE.
    connection.isolation_level = None
    cursor = connection.cursor()
    # FULL: an acknowledged write survives a power cut, not only a killed process.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


async def _begin_sqlite(connection: sa.Connection, *, write: bool) -> None:
    """Begin; while another process writes, wait without holding up the event loop."""
    deadline = time.monotonic() + SQLITE_WAIT_SECONDS
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
        except OperationalError as error:
            if not is_deadlock(error) or time.monotonic() > deadline:
                raise
            connection.rollback()
            await asyncio.sleep(0.01)
        else:
            return


async def _finished(work: Coroutine[Any, Any, None]) -> None:
    """Wait for the end of ``work`` also when this task is cancelled meanwhile, then pass the cancellation on."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


def compare_exactly(connection: sa.Connection) -> None:
    """For an empty database: let its tables compare text as SQLite does, where case and spaces at the end count."""
    if connection.dialect.name == "mysql":
        connection.exec_driver_sql("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin")
