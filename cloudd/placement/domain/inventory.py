"""What providers have: set as a whole or class by class, never taken away while in use."""

from typing import Annotated

import msgspec

from cloudd.kit.db import Transaction
from cloudd.kit.errors import BadRequest
from cloudd.kit.service import Cloud
from cloudd.placement.domain.resource_class import ResourceClasses
from cloudd.placement.domain.resource_provider import ResourceProviders
from cloudd.placement.errors import InventoryExists, InventoryInUse, InventoryNotFound
from cloudd.placement.store.allocation import AllocationStore, Amounts
from cloudd.placement.store.inventory import Inventory, InventoryStore

LARGEST = 2147483647
Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]


class InventorySpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How much of one class; capacity is (total - reserved) x allocation_ratio."""

    total: Positive
    reserved: Count = 0
    min_unit: Positive = 1
    max_unit: Positive = LARGEST
    step_size: Positive = 1
    allocation_ratio: Annotated[float, msgspec.Meta(gt=0, le=3.40282e38)] = 1.0


def record(provider_id: str, resource_class: str, spec: InventorySpec) -> Inventory:
    return Inventory(provider_id, resource_class, **msgspec.structs.asdict(spec))


def check_reserved(resource_class: str, spec: InventorySpec, *, may_reserve_all: bool) -> None:
    if spec.reserved > spec.total or (spec.reserved == spec.total and not may_reserve_all):
        raise BadRequest(reason=f"Invalid inventory for '{resource_class}': reserved {spec.reserved} leaves nothing of {spec.total}.")


class Inventories:
    def __init__(self, cloud: Cloud, providers: ResourceProviders, classes: ResourceClasses) -> None:
        self.db = cloud.db
        self.providers = providers
        self.classes = classes
        self.store = InventoryStore()
        self.allocations = AllocationStore()

    async def of(self, tx: Transaction, provider_id: str) -> dict[str, Inventory]:
        found = await self.store.find(tx, self.store.table.c.provider_id == provider_id, order=self.store.table.c.resource_class)
        return {inventory.resource_class: inventory for inventory in found}

    async def show(self, provider_id: str) -> tuple[int, dict[str, Inventory]]:
        """The provider's generation and its inventories by class."""
        async with self.db.read() as tx:
            provider = await self.providers.get(tx, provider_id)
            return provider.generation, await self.of(tx, provider_id)

    async def show_one(self, provider_id: str, resource_class: str) -> tuple[int, Inventory]:
        generation, found = await self.show(provider_id)
        if resource_class not in found:
            raise InventoryNotFound(provider_id=provider_id, resource_class=resource_class)
        return generation, found[resource_class]

    async def usages(self, provider_id: str) -> tuple[int, Amounts]:
        """The provider's generation, and what is taken of each of its classes."""
        async with self.db.read() as tx:
            provider = await self.providers.get(tx, provider_id)
            used = await self.allocations.usages(tx, self.allocations.table.c.provider_id == provider_id)
            return provider.generation, {name: used.get(provider_id, {}).get(name, 0) for name in await self.of(tx, provider_id)}

    async def replace(self, provider_id: str, generation: int | None, specs: dict[str, InventorySpec]) -> tuple[int, dict[str, Inventory]]:
        """Make these the provider's only inventories."""
        async with self.db.write() as tx:
            await self.providers.hold(tx, provider_id, generation)
            await self.replace_within(tx, provider_id, specs)
        return await self.show(provider_id)

    async def replace_within(self, tx: Transaction, provider_id: str, specs: dict[str, InventorySpec]) -> None:
        await self.classes.check(tx, set(specs))
        present = await self.of(tx, provider_id)
        wanted = {name: record(provider_id, name, spec) for name, spec in specs.items()}
        if present == wanted:
            return
        await self._check_unused(tx, provider_id, set(present) - set(wanted))
        await self.store.delete_where(tx, self.store.table.c.provider_id == provider_id)
        await self.store.insert_all(tx, list(wanted.values()))
        await self.providers.store.bump(tx, provider_id)

    async def add_missing(self, tx: Transaction, provider_id: str, specs: dict[str, InventorySpec]) -> None:
        """Add or renew these and keep the others: the state between the old shape and the new one."""
        await self.classes.check(tx, set(specs))
        for name, spec in specs.items():
            await self._remove(tx, provider_id, name)
            await self.store.insert(tx, record(provider_id, name, spec))

    async def add(self, provider_id: str, generation: int | None, resource_class: str, spec: InventorySpec) -> tuple[int, Inventory]:
        async with self.db.write() as tx:
            await self.providers.hold(tx, provider_id, generation)
            await self.classes.check(tx, {resource_class})
            if resource_class in await self.of(tx, provider_id):
                raise InventoryExists(provider_id=provider_id, resource_class=resource_class)
            await self.store.insert(tx, record(provider_id, resource_class, spec))
            await self.providers.store.bump(tx, provider_id)
        return await self.show_one(provider_id, resource_class)

    async def update(self, provider_id: str, generation: int, resource_class: str, spec: InventorySpec) -> tuple[int, Inventory]:
        async with self.db.write() as tx:
            await self.providers.hold(tx, provider_id, generation)
            if resource_class not in await self.of(tx, provider_id):
                raise BadRequest(reason=f"No inventory of class {resource_class} found for update on resource provider {provider_id}.")
            await self._remove(tx, provider_id, resource_class)
            await self.store.insert(tx, record(provider_id, resource_class, spec))
            await self.providers.store.bump(tx, provider_id)
        return await self.show_one(provider_id, resource_class)

    async def delete(self, provider_id: str, resource_class: str) -> None:
        async with self.db.write() as tx:
            await self.providers.hold(tx, provider_id, None)
            await self._check_unused(tx, provider_id, {resource_class})
            if not await self._remove(tx, provider_id, resource_class):
                raise InventoryNotFound(provider_id=provider_id, resource_class=resource_class)
            await self.providers.store.bump(tx, provider_id)

    async def _remove(self, tx: Transaction, provider_id: str, resource_class: str) -> int:
        table = self.store.table.c
        return await self.store.delete_where(tx, table.provider_id == provider_id, table.resource_class == resource_class)

    async def _check_unused(self, tx: Transaction, provider_id: str, resource_classes: set[str]) -> None:
        used = await self.allocations.usages(tx, self.allocations.table.c.provider_id == provider_id)
        if taken := resource_classes & set(used.get(provider_id, {})):
            raise InventoryInUse(provider_id=provider_id, resource_classes=", ".join(sorted(taken)))
