"""Resource providers and the trees that they form."""

from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
from sqlalchemy.exc import IntegrityError

from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.service import Cloud
from cloudd.placement.errors import (
    BadParent,
    ConcurrentUpdate,
    ProviderHasChildren,
    ProviderInUse,
    ProviderNameTaken,
    ProviderNotFound,
)
from cloudd.placement.store.aggregate import AggregateStore
from cloudd.placement.store.allocation import AllocationStore
from cloudd.placement.store.inventory import InventoryStore
from cloudd.placement.store.resource_provider import ResourceProvider, ResourceProviderStore
from cloudd.placement.store.trait import ProviderTraitStore

if TYPE_CHECKING:
    import sqlalchemy as sa


class ResourceProviders:
    def __init__(self, cloud: Cloud) -> None:
        self.db = cloud.db
        self.store = ResourceProviderStore()
        self.inventories = InventoryStore()
        self.allocations = AllocationStore()
        self.traits = ProviderTraitStore()
        self.aggregates = AggregateStore()

    async def find(self, name: str | None, provider_id: str | None, in_tree: str | None) -> list[ResourceProvider]:
        table = self.store.table.c
        where: list[sa.ColumnElement[bool]] = []
        if name:
            where.append(table.name == name)
        if provider_id:
            where.append(table.id == provider_id)
        async with self.db.read() as tx:
            if in_tree:
                member = await self.store.get(tx, in_tree)
                if member is None:
                    return []
                where.append(table.root_id == member.root_id)
            return await self.store.find(tx, *where, order=table.name)

    async def get(self, tx: Transaction, provider_id: str, *, lock: bool = False) -> ResourceProvider:
        provider = await self.store.get(tx, provider_id, lock=lock)
        if provider is None:
            raise ProviderNotFound(provider_id=provider_id)
        return provider

    async def show(self, provider_id: str) -> ResourceProvider:
        async with self.db.read() as tx:
            return await self.get(tx, provider_id)

    async def hold(self, tx: Transaction, provider_id: str, generation: int | None) -> ResourceProvider:
        """Lock a provider for a change; refuse when the caller saw another generation."""
        provider = await self.get(tx, provider_id, lock=True)
        if generation is not None and generation != provider.generation:
            raise ConcurrentUpdate(what=f"resource provider {provider_id}", expected=provider.generation, found=generation)
        return provider

    async def create(self, name: str, provider_id: str | None = None, parent_id: str | None = None) -> ResourceProvider:
        moment = now()
        identity = provider_id or str(uuid4())
        provider = ResourceProvider(identity, name, 0, parent_id, identity, moment, moment)
        try:
            async with self.db.write() as tx:
                if parent_id is not None:
                    provider.root_id = (await self._parent(tx, identity, parent_id)).root_id
                await self.store.insert(tx, provider)
        except IntegrityError:
            raise ProviderNameTaken(name=name) from None
        return provider

    async def update(self, provider_id: str, name: str, parent_id: str | msgspec.UnsetType | None, *, may_move: bool) -> ResourceProvider:
        """Rename, and with `parent_id` hang it under another provider: once, or with `may_move` again and again."""
        try:
            async with self.db.write() as tx:
                provider = await self.get(tx, provider_id, lock=True)
                if parent_id is not msgspec.UNSET and parent_id != provider.parent_id:
                    if provider.parent_id is not None and not may_move:
                        raise BadParent(provider_id=provider_id, reason="re-parenting a provider needs microversion 1.37.")
                    await self._hang(tx, provider, parent_id)
                await self.store.update(tx, provider_id, name=name, updated_at=now())
                return await self.get(tx, provider_id)
        except IntegrityError:
            raise ProviderNameTaken(name=name) from None

    async def delete(self, provider_id: str) -> None:
        async with self.db.write() as tx:
            await self.get(tx, provider_id, lock=True)
            if await self.store.count(tx, self.store.table.c.parent_id == provider_id):
                raise ProviderHasChildren(provider_id=provider_id)
            if await self.allocations.count(tx, self.allocations.table.c.provider_id == provider_id):
                raise ProviderInUse(provider_id=provider_id)
            for owned in (self.inventories, self.traits, self.aggregates):
                await owned.delete_where(tx, owned.table.c.provider_id == provider_id)
            await self.store.delete(tx, provider_id)

    async def _parent(self, tx: Transaction, provider_id: str, parent_id: str) -> ResourceProvider:
        parent = await self.store.get(tx, parent_id)
        if parent is None:
            raise BadParent(provider_id=provider_id, reason=f"parent provider {parent_id} does not exist.")
        if parent_id == provider_id:
            raise BadParent(provider_id=provider_id, reason="a provider cannot be its own parent.")
        return parent

    async def _hang(self, tx: Transaction, provider: ResourceProvider, parent_id: str | None) -> None:
        """Move the provider and everything below it."""
        table = self.store.table.c
        tree = {member.id: member for member in await self.store.find(tx, table.root_id == provider.root_id)}
        moved = {provider.id}
        while below := {member.id for member in tree.values() if member.parent_id in moved} - moved:
            moved |= below
        root_id = provider.id
        if parent_id is not None:
            if parent_id in moved and parent_id != provider.id:
                raise BadParent(provider_id=provider.id, reason="the new parent is below it.")
            root_id = (await self._parent(tx, provider.id, parent_id)).root_id
        await self.store.update(tx, provider.id, parent_id=parent_id)
        for member_id in moved:
            await self.store.update(tx, member_id, root_id=root_id)
