"""The database: one async engine over SQLite or MariaDB, explicit transactions, column types that both keep alike."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import CursorResult, Dialect, RowMapping, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.types import TypeDecorator, TypeEngine

log = logging.getLogger(__name__)

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

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.hooks: list[Callable[[], None]] = []

    async def execute(self, statement: sa.Executable, values: Any = None) -> CursorResult[Any]:
        return await self.connection.execute(statement, values)

    async def rows(self, statement: sa.Executable) -> Sequence[RowMapping]:
        return (await self.connection.execute(statement)).mappings().all()

    async def row(self, statement: sa.Executable) -> RowMapping | None:
        return (await self.connection.execute(statement)).mappings().first()

    async def scalar(self, statement: sa.Executable) -> Any:
        return (await self.connection.execute(statement)).scalar()

    def after_commit(self, hook: Callable[[], None]) -> None:
        self.hooks.append(hook)


class Database:
    """Opens transactions: ``async with db.write() as tx`` and ``async with db.read() as tx``."""

    def __init__(self, url: str, pool_size: int = 10) -> None:
        parsed = make_url(url)
        self.is_sqlite = parsed.drivername.startswith("sqlite")
        if self.is_sqlite:
            parsed = parsed.set(drivername="sqlite+aiosqlite")
            options: dict[str, Any] = {"connect_args": {"timeout": 30}, "pool_size": pool_size}
        else:
            parsed = parsed.set(drivername="mysql+asyncmy")
            options = {"pool_size": pool_size, "max_overflow": pool_size, "pool_pre_ping": True, "isolation_level": "READ COMMITTED"}
        self.url = parsed.render_as_string(hide_password=False)
        self.engine = create_async_engine(parsed, **options)
        # SQLite has one writer: waiting in line here is quicker and fairer than its busy loop.
        self._writer = asyncio.Lock()
        if self.is_sqlite:
            _prepare_sqlite(self.engine.sync_engine)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """A read-write transaction: commits at the end, rolls back on any exception."""
        if self.is_sqlite:
            async with self._writer, self._begin("BEGIN IMMEDIATE") as tx:
                yield tx
        else:
            async with self._begin("") as tx:
                yield tx
        for hook in tx.hooks:
            hook()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """A transaction that only reads."""
        async with self._begin("BEGIN" if self.is_sqlite else "") as tx:
            yield tx

    @asynccontextmanager
    async def _begin(self, statement: str) -> AsyncIterator[Transaction]:
        async with self.engine.connect() as connection, connection.begin():
            if statement:
                await connection.exec_driver_sql(statement)
            yield Transaction(connection)

    async def create_tables(self) -> None:
        """Create every table as declared; for tests (a deployment runs the migrations)."""
        async with self.engine.begin() as connection:
            if self.is_sqlite:
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            await connection.run_sync(metadata.create_all)

    async def close(self) -> None:
        await self.engine.dispose()


def _prepare_sqlite(engine: sa.Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        # The driver must not open transactions by itself: we say BEGIN or BEGIN IMMEDIATE.
        connection.isolation_level = None
        cursor = connection.cursor()
        # FULL: an acknowledged write survives a power cut, not only a killed process.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def is_deadlock(error: DBAPIError) -> bool:
    """Whether two transactions stood in each other's way: the same again may succeed (MariaDB 1205 and 1213, SQLite's busy)."""
    text = str(error.orig)
    return "(1213," in text or "(1205," in text or "database is locked" in text


def is_duplicate(error: DBAPIError) -> bool:
    """Whether the database refused a row because a unique key is taken."""
    text = str(error.orig)
    return "UNIQUE constraint failed" in text or "(1062," in text
