"""Which aggregates a provider belongs to."""

from cloudd.kit.service import Cloud
from cloudd.placement.domain.resource_provider import ResourceProviders
from cloudd.placement.store.aggregate import AggregateStore, ProviderAggregate


class Aggregates:
    def __init__(self, cloud: Cloud, providers: ResourceProviders) -> None:
        self.db = cloud.db
        self.providers = providers
        self.store = AggregateStore()

    async def of(self, provider_id: str) -> tuple[int, list[str]]:
        """The provider's generation and its aggregates."""
        async with self.db.read() as tx:
            provider = await self.providers.get(tx, provider_id)
            rows = await self.store.find(tx, self.store.table.c.provider_id == provider_id, order=self.store.table.c.aggregate_id)
        return provider.generation, [row.aggregate_id for row in rows]

    async def replace(self, provider_id: str, generation: int | None, aggregate_ids: set[str]) -> tuple[int, list[str]]:
        async with self.db.write() as tx:
            await self.providers.hold(tx, provider_id, generation)
            await self.store.delete_where(tx, self.store.table.c.provider_id == provider_id)
            await self.store.insert_all(tx, [ProviderAggregate(provider_id, identity) for identity in sorted(aggregate_ids)])
            # Below 1.19 the caller names no generation, and none passes.
            if generation is not None:
                await self.providers.store.bump(tx, provider_id)
        return await self.of(provider_id)
