"""What every table needs, once: get, find, page, insert, update, delete between rows and plain records."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Transaction
from cloudd.kit.errors import BadRequest
from cloudd.kit.paging import MarkerNotFound, Page

Record = TypeVar("Record", bound=msgspec.Struct)


class ValueTooLarge(BadRequest):
    """A value that MariaDB's column does not hold; SQLite would take it."""

    code = "kit.value_too_large"
    message = "{name} is too large: at most {limit}."


class Store(Generic[Record]):
    """Maps ``table`` to ``record``, a msgspec.Struct with exactly the table's columns as fields; key column ``id``."""

    def __init__(self, table: sa.Table, record: type[Record]) -> None:
        names, fields = {c.name for c in table.columns}, {f.name for f in msgspec.structs.fields(record)}
        if names != fields:
            raise TypeError(f"{record.__name__} and table {table.name} differ in {sorted(names ^ fields)}")
        self.table = table
        self.record = record
        kinds = {column.name: column.type for column in table.columns}
        self._lengths = {name: kind.length for name, kind in kinds.items() if isinstance(kind, sa.String) and kind.length}
        self._numbers = {
            name: 2**63 - 1 if isinstance(kind, sa.BigInteger) else 2**31 - 1
            for name, kind in kinds.items()
            if isinstance(kind, sa.Integer)
        }

    def _build(self, row: Any) -> Record:
        return self.record(**row)

    async def get(self, tx: Transaction, key: str, *where: sa.ColumnElement[bool], lock: bool = False) -> Record | None:
        """The row with that id; ``lock`` holds it until the transaction ends (a no-op on SQLite, which has one writer)."""
        statement = sa.select(self.table).where(self.table.c.id == key, *where)
        row = await tx.row(statement.with_for_update() if lock else statement)
        return None if row is None else self._build(row)

    async def find(self, tx: Transaction, *where: sa.ColumnElement[bool], order: Any = None, limit: int | None = None) -> list[Record]:
        statement = sa.select(self.table).where(*where).order_by(*([order] if order is not None else [])).limit(limit)
        return [self._build(row) for row in await tx.rows(statement)]

    async def count(self, tx: Transaction, *where: sa.ColumnElement[bool]) -> int:
        return int(await tx.scalar(sa.select(sa.func.count()).select_from(self.table).where(*where)) or 0)

    async def page(self, tx: Transaction, page: Page, *where: sa.ColumnElement[bool]) -> list[Record]:
        """One page. MarkerNotFound when the marker is no row that ``where`` admits."""
        order = [*page.sort, *([] if any(key == "id" for key, _ in page.sort) else [("id", False)])]
        statement = sa.select(self.table).where(*where)
        if page.marker is not None:
            marker = await tx.row(sa.select(self.table).where(self.table.c.id == page.marker, *where))
            if marker is None:
                raise MarkerNotFound(marker=page.marker)
            statement = statement.where(self._after(order, marker))
        for key, descending in order:
            column = self.table.c[key]
            statement = statement.order_by(column.desc() if descending else column.asc())
        return [self._build(row) for row in await tx.rows(statement.limit(page.limit))]

    def _after(self, order: list[tuple[str, bool]], marker: Any) -> sa.ColumnElement[bool]:
        """Rows behind the marker: k1 > m1, or k1 = m1 and k2 > m2, …; nulls come first, as both databases sort them."""
        choices: list[sa.ColumnElement[bool]] = []
        equal: list[sa.ColumnElement[bool]] = []
        for key, descending in order:
            column, value = self.table.c[key], marker[key]
            if value is None:
                behind: sa.ColumnElement[bool] = sa.false() if descending else column.is_not(None)
            else:
                behind = sa.or_(column < value, column.is_(None)) if descending else column > value
            choices.append(sa.and_(*equal, behind))
            equal.append(column.is_(None) if value is None else column == value)
        return sa.or_(*choices)

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values, where every database holds them."""
        for name, value in values.items():
            if isinstance(value, str) and len(value) > (limit := self._lengths.get(name, len(value))):
                raise ValueTooLarge(name=name, limit=f"{limit} characters")
            if isinstance(value, int) and abs(value) > (limit := self._numbers.get(name, abs(value))):
                raise ValueTooLarge(name=name, limit=limit)
        return values

    async def insert(self, tx: Transaction, record: Record) -> None:
        """Raises ValueTooLarge."""
        await tx.execute(sa.insert(self.table).values(**self._checked(msgspec.structs.asdict(record))))

    async def insert_all(self, tx: Transaction, records: list[Record]) -> None:
        if records:
            await tx.execute(sa.insert(self.table), [self._checked(msgspec.structs.asdict(record)) for record in records])

    async def update(self, tx: Transaction, key: str, *where: sa.ColumnElement[bool], **values: Any) -> bool:
        """Whether a row was there (and met ``where``): the compare-and-swap of state transitions.

        Raises ValueTooLarge.
        """
        result = await tx.execute(sa.update(self.table).where(self.table.c.id == key, *where).values(**self._checked(values)))
        return bool(result.rowcount)

    async def delete(self, tx: Transaction, key: str, *where: sa.ColumnElement[bool]) -> bool:
        result = await tx.execute(sa.delete(self.table).where(self.table.c.id == key, *where))
        return bool(result.rowcount)

    async def delete_where(self, tx: Transaction, *where: sa.ColumnElement[bool]) -> int:
        return int((await tx.execute(sa.delete(self.table).where(*where))).rowcount)


def json_contains(column: sa.Column[Any], fragment: str) -> sa.ColumnElement[bool]:
    """Whether a Json column's text holds the fragment, in the same case. In encoded JSON no string's inside looks like a quoted member."""
    return sa.func.instr(sa.type_coerce(column, sa.Text), fragment) > 0
