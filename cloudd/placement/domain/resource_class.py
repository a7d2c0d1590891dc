"""Which resource classes exist: the standard ones, and those that operators add."""

import os_resource_classes
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloudd.kit.db import Transaction
from cloudd.kit.errors import BadRequest
from cloudd.kit.service import Cloud
from cloudd.placement.errors import ClassExists, ClassInUse, ClassNotFound
from cloudd.placement.store.inventory import InventoryStore, inventory_table
from cloudd.placement.store.resource_class import ResourceClass, ResourceClassStore

STANDARD = tuple(os_resource_classes.STANDARDS)


class ResourceClasses:
    def __init__(self, cloud: Cloud) -> None:
        self.db = cloud.db
        self.store = ResourceClassStore()
        self.inventories = InventoryStore()

    async def names(self) -> list[str]:
        async with self.db.read() as tx:
            return [*STANDARD, *(found.id for found in await self.store.find(tx, order=self.store.table.c.id))]

    async def check(self, tx: Transaction, names: set[str], unknown: type[ClassNotFound | BadRequest] = BadRequest) -> None:
        """Refuse a name that is no resource class."""
        custom = names.difference(STANDARD)
        known = {found.id for found in await self.store.find(tx, self.store.table.c.id.in_(custom))} if custom else set()
        for name in sorted(custom - known):
            if unknown is ClassNotFound:
                raise ClassNotFound(resource_class=name)
            raise BadRequest(reason=f"No such resource class: {name}.")

    async def show(self, name: str) -> str:
        async with self.db.read() as tx:
            await self.check(tx, {name}, ClassNotFound)
        return name

    async def ensure(self, name: str) -> bool:
        """Whether the class is new."""
        if name in STANDARD:
            return False
        try:
            await self.create(name)
        except ClassExists:
            return False
        return True

    async def create(self, name: str) -> None:
        try:
            async with self.db.write() as tx:
                await self.store.insert(tx, ResourceClass(name))
        except IntegrityError:
            raise ClassExists(resource_class=name) from None

    async def rename(self, name: str, new_name: str) -> None:
        """Microversions below 1.7 only; a class that is in use keeps its name."""
        try:
            async with self.db.write() as tx:
                await self._check_free(tx, name)
                if not await self.store.update(tx, name, id=new_name):
                    raise ClassNotFound(resource_class=name)
        except IntegrityError:
            raise ClassExists(resource_class=new_name) from None

    async def delete(self, name: str) -> None:
        if name in STANDARD:
            raise BadRequest(reason=f"Cannot delete standard resource class {name}.")
        async with self.db.write() as tx:
            await self._check_free(tx, name)
            if not await self.store.delete(tx, name):
                raise ClassNotFound(resource_class=name)

    async def _check_free(self, tx: Transaction, name: str) -> None:
        if await tx.scalar(sa.select(sa.func.count()).where(inventory_table.c.resource_class == name)):
            raise ClassInUse(resource_class=name)
