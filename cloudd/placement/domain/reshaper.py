"""Moves inventories between providers together with what is allocated of them, in one transaction."""

from cloudd.kit.errors import BadRequest
from cloudd.placement.domain.allocation import Allocations, Claim
from cloudd.placement.domain.inventory import InventorySpec
from cloudd.placement.errors import InventoryInUse, ProviderNotFound


class Reshaper:
    def __init__(self, allocations: Allocations) -> None:
        self.allocations = allocations
        self.inventories = allocations.inventories

    async def reshape(self, inventories: dict[str, tuple[int, dict[str, InventorySpec]]], claims: list[Claim]) -> None:
        """New inventories by provider (with the generation the caller saw) and all allocations that they change."""
        providers = self.inventories.providers
        async with self.allocations.db.write() as tx:
            for provider_id, (generation, specs) in sorted(inventories.items()):
                try:
                    await providers.hold(tx, provider_id, generation)
                except ProviderNotFound:
                    raise BadRequest(reason=f"Inventory for resource provider '{provider_id}' that does not exist.") from None
                await self.inventories.add_missing(tx, provider_id, specs)
            await self.allocations.claim_within(tx, *claims)
            for provider_id, (_, specs) in sorted(inventories.items()):
                await self.inventories.replace_within(tx, provider_id, specs)
            # What is allocated must fit what is left, also of consumers that the caller did not name.
            for provider_id in inventories:
                present = await self.inventories.of(tx, provider_id)
                used = await self.allocations.store.usages(tx, self.allocations.store.table.c.provider_id == provider_id)
                if over := [name for name, amount in used.get(provider_id, {}).items() if amount > present[name].capacity]:
                    raise InventoryInUse(provider_id=provider_id, resource_classes=", ".join(sorted(over)))
