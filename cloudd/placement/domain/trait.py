"""Which traits exist, and which a provider has."""

import os_traits

from cloudd.kit.db import Transaction
from cloudd.kit.errors import BadRequest
from cloudd.kit.service import Cloud
from cloudd.placement.domain.resource_provider import ResourceProviders
from cloudd.placement.errors import TraitInUse, TraitNotFound
from cloudd.placement.store.trait import ProviderTrait, ProviderTraitStore, Trait, TraitStore

STANDARD = frozenset(os_traits.get_traits())
SHARING = "MISC_SHARES_VIA_AGGREGATE"


class Traits:
    def __init__(self, cloud: Cloud, providers: ResourceProviders) -> None:
        self.db = cloud.db
        self.providers = providers
        self.store = TraitStore()
        self.held = ProviderTraitStore()

    async def names(self, *, associated: bool | None = None) -> list[str]:
        """All traits by name; with `associated` only those that some provider has, or none has."""
        async with self.db.read() as tx:
            known = STANDARD | {trait.id for trait in await self.store.find(tx)}
            if associated is not None:
                held = {row.trait for row in await self.held.find(tx)}
                known = known & held if associated else known - held
        return sorted(known)

    async def check(self, tx: Transaction, names: set[str]) -> None:
        custom = names - STANDARD
        known = {trait.id for trait in await self.store.find(tx, self.store.table.c.id.in_(custom))} if custom else set()
        if unknown := custom - known:
            raise BadRequest(reason=f"No such trait(s): {', '.join(sorted(unknown))}.")

    async def exists(self, name: str) -> None:
        if name in STANDARD:
            return
        async with self.db.read() as tx:
            if await self.store.get(tx, name) is None:
                raise TraitNotFound(trait=name)

    async def ensure(self, name: str) -> bool:
        """Whether the trait is new."""
        async with self.db.write() as tx:
            if await self.store.get(tx, name) is not None:
                return False
            await self.store.insert(tx, Trait(name))
        return True

    async def delete(self, name: str) -> None:
        if name in STANDARD:
            raise BadRequest(reason=f"Cannot delete standard trait {name}.")
        async with self.db.write() as tx:
            if await self.held.count(tx, self.held.table.c.trait == name):
                raise TraitInUse(trait=name)
            if not await self.store.delete(tx, name):
                raise TraitNotFound(trait=name)

    async def of(self, provider_id: str) -> tuple[int, list[str]]:
        """The provider's generation and its traits."""
        async with self.db.read() as tx:
            provider = await self.providers.get(tx, provider_id)
            rows = await self.held.find(tx, self.held.table.c.provider_id == provider_id, order=self.held.table.c.trait)
        return provider.generation, [row.trait for row in rows]

    async def replace(self, provider_id: str, generation: int | None, names: set[str]) -> tuple[int, list[str]]:
        async with self.db.write() as tx:
            await self.providers.hold(tx, provider_id, generation)
            await self.check(tx, names)
            await self.held.delete_where(tx, self.held.table.c.provider_id == provider_id)
            await self.held.insert_all(tx, [ProviderTrait(provider_id, name) for name in sorted(names)])
            await self.providers.store.bump(tx, provider_id)
        return await self.of(provider_id)
