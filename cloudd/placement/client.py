"""Placement's door for other services: providers, inventories, candidates and claims."""

import msgspec

from cloudd.kit.service import Cloud
from cloudd.placement.domain.allocation import Allocations, Claim
from cloudd.placement.domain.candidate import Candidates, Request
from cloudd.placement.domain.inventory import Inventories, InventorySpec
from cloudd.placement.domain.landscape import Group
from cloudd.placement.domain.resource_class import ResourceClasses
from cloudd.placement.domain.resource_provider import ResourceProviders
from cloudd.placement.domain.trait import STANDARD, Traits
from cloudd.placement.errors import AllocationsNotFound, ProviderNotFound
from cloudd.placement.store.allocation import Amounts

Inventory = InventorySpec


class Candidate(msgspec.Struct, frozen=True):
    """A host that has room; `free` is what it could still give, by class."""

    provider_id: str
    name: str
    free: Amounts
    traits: frozenset[str] = frozenset()


class PlacementClient:
    def __init__(self, cloud: Cloud) -> None:
        self.db = cloud.db
        self.providers = ResourceProviders(cloud)
        self.classes = ResourceClasses(cloud)
        self.inventories = Inventories(cloud, self.providers, self.classes)
        self.traits = Traits(cloud, self.providers)
        self.allocations = Allocations(cloud, self.inventories)
        self._candidates = Candidates(cloud, self.traits)

    async def ensure_provider(self, provider_id: str, name: str) -> None:
        """Make the provider, or give it its new name. ProviderNameTaken."""
        try:
            if (await self.providers.show(provider_id)).name != name:
                await self.providers.update(provider_id, name, msgspec.UNSET, may_move=False)
        except ProviderNotFound:
            await self.providers.create(name, provider_id)

    async def delete_provider(self, provider_id: str) -> None:
        """ProviderInUse while something is allocated of it; gone already is fine."""
        try:
            await self.providers.delete(provider_id)
        except ProviderNotFound:
            return

    async def set_inventory(self, provider_id: str, inventories: dict[str, InventorySpec]) -> None:
        """Make these the provider's inventories; InventoryInUse where one that is in use is missing. Unchanged ones cost nothing."""
        await self.inventories.replace(provider_id, None, inventories)

    async def set_traits(self, provider_id: str, traits: set[str]) -> None:
        """Make these the provider's traits; custom ones come to be."""
        for name in sorted(traits - STANDARD):
            await self.traits.ensure(name)
        _, present = await self.traits.of(provider_id)
        if set(present) != traits:
            await self.traits.replace(provider_id, None, traits)

    async def candidates(
        self, resources: Amounts, required_traits: frozenset[str] = frozenset(), limit: int | None = None
    ) -> list[Candidate]:
        """Providers that could give all of it now. BadRequest for an unknown trait."""
        # A suffixed group, so that all comes from one provider.
        group = Group(suffix="_host", resources=resources, required=[frozenset({name}) for name in required_traits])
        found, landscape = await self._candidates.find(Request(groups=[group], limit=limit))
        nodes = [landscape.nodes[provider_id] for candidate in found for provider_id in candidate.allocations]
        return [Candidate(node.provider.id, node.provider.name, node.free(), frozenset(node.traits)) for node in nodes]

    async def claim(self, consumer_id: str, provider_id: str, resources: Amounts, project_id: str, user_id: str) -> None:
        """Take it, in place of whatever the consumer held. CapacityExceeded or AllocationUnfit when it does not fit."""
        await self.allocations.claim(
            Claim(
                consumer_id=consumer_id,
                allocations={provider_id: resources},
                project_id=project_id,
                user_id=user_id,
                consumer_type="INSTANCE",
            )
        )

    async def move(self, consumer_id: str, keeper_id: str, provider_id: str, resources: Amounts, project_id: str, user_id: str) -> None:
        """Let a keeper (a migration) hold what the consumer has held, and the consumer take of another provider, all at once.

        Repeating it changes nothing. CapacityExceeded or AllocationUnfit when it does not fit; then all is as before.
        """
        if await self.allocations_of(keeper_id):
            return
        held = await self.allocations_of(consumer_id)
        wanted = {provider_id: resources}
        await self.allocations.claim(
            Claim(consumer_id=keeper_id, allocations=held, project_id=project_id, user_id=user_id, consumer_type="MIGRATION"),
            Claim(consumer_id=consumer_id, allocations=wanted, project_id=project_id, user_id=user_id, consumer_type="INSTANCE"),
        )

    async def move_back(self, consumer_id: str, keeper_id: str, project_id: str, user_id: str) -> None:
        """Undo `move`: the consumer holds again what the keeper kept for it; a keeper of nothing changes nothing."""
        held = await self.allocations_of(keeper_id)
        if not held:
            return
        await self.allocations.claim(
            Claim(consumer_id=keeper_id, allocations={}),
            Claim(consumer_id=consumer_id, allocations=held, project_id=project_id, user_id=user_id, consumer_type="INSTANCE"),
        )

    async def release(self, consumer_id: str) -> None:
        """Give everything back; nothing held is fine."""
        try:
            await self.allocations.release(consumer_id)
        except AllocationsNotFound:
            return

    async def allocations_of(self, consumer_id: str) -> dict[str, Amounts]:
        """What the consumer holds, by provider."""
        _, held = await self.allocations.of_consumer(consumer_id)
        return {provider_id: amounts for provider_id, (_, amounts) in held.items()}

    async def consumers_of(self, provider_id: str) -> dict[str, Amounts]:
        """Who holds something of the provider, for reconcilers."""
        _, held = await self.allocations.of_provider(provider_id)
        return {consumer_id: amounts for consumer_id, (_, amounts) in held.items()}
