"""What identity's simple nouns share: create, get, list, update and delete a named record."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloudd.identity.errors import NameTaken, RecordNotFound
from cloudd.identity.messages import IdentityChanged
from cloudd.kit.paging import Page
from cloudd.kit.service import Cloud
from cloudd.kit.store import Store

Record = TypeVar("Record", bound=msgspec.Struct)


class Records(Generic[Record]):
    """Use cases of one noun over its store. ``noun`` is how errors call it."""

    noun: str

    def __init__(self, cloud: Cloud, store: Store[Record]) -> None:
        self.cloud = cloud
        self.store = store

    async def get(self, key: str) -> Record:
        async with self.cloud.db.read() as tx:
            record = await self.store.get(tx, key)
        if record is None:
            raise RecordNotFound(noun=self.noun, key=key)
        return record

    async def find(self, page: Page, filters: Mapping[str, Any]) -> list[Record]:
        """One page of those whose columns equal ``filters`` (None values are left out)."""
        async with self.cloud.db.read() as tx:
            return await self.store.page(tx, page, *self._where(filters))

    async def create(self, record: Record) -> Record:
        """Raises NameTaken."""
        try:
            async with self.cloud.db.write() as tx:
                await self.store.insert(tx, record)
        except IntegrityError:
            raise NameTaken(noun=self.noun, name=getattr(record, "name", getattr(record, "id", ""))) from None
        await self.cloud.bus.publish(IdentityChanged())
        return record

    async def update(self, key: str, changes: Mapping[str, Any]) -> Record:
        """Set the given columns; tokens are looked at anew afterwards. Raises RecordNotFound, NameTaken."""
        try:
            async with self.cloud.db.write() as tx:
                if changes and not await self.store.update(tx, key, **changes):
                    raise RecordNotFound(noun=self.noun, key=key)
        except IntegrityError:
            raise NameTaken(noun=self.noun, name=changes.get("name", key)) from None
        await self.cloud.bus.publish(IdentityChanged())
        return await self.get(key)

    async def delete(self, key: str) -> None:
        async with self.cloud.db.write() as tx:
            if not await self.store.delete(tx, key):
                raise RecordNotFound(noun=self.noun, key=key)
            await self.forget(tx, key)
        await self.cloud.bus.publish(IdentityChanged())

    async def forget(self, tx: Any, key: str) -> None:
        """Remove what hangs on a deleted record, in the same transaction."""

    def _where(self, filters: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
        return [self.store.table.c[name] == value for name, value in filters.items() if value is not None]


def new_id() -> str:
    """An identifier as Keystone writes them: a uuid's 32 hexadecimal digits."""
    return uuid.uuid4().hex
