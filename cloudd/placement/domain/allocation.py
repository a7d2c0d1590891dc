"""Claims: a consumer takes of providers in one transaction that refuses what does not fit."""

from collections import defaultdict

import msgspec
from sqlalchemy.exc import IntegrityError

from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.errors import BadRequest
from cloudd.kit.service import Cloud
from cloudd.placement.domain.inventory import Inventories
from cloudd.placement.errors import AllocationsNotFound, AllocationUnfit, CapacityExceeded, ConcurrentUpdate
from cloudd.placement.store.allocation import Allocation, AllocationStore, Amounts, Consumer, ConsumerStore
from cloudd.placement.store.inventory import Inventory

UNKNOWN = "00000000-0000-0000-0000-000000000000"


class Claim(msgspec.Struct, kw_only=True):
    """All that a consumer takes from now on, by provider; nothing releases it.

    `generation` is what the caller saw: None for a new consumer; UNSET does not ask.
    """

    consumer_id: str
    allocations: dict[str, Amounts]
    project_id: str = UNKNOWN
    user_id: str = UNKNOWN
    consumer_type: str | msgspec.UnsetType = msgspec.UNSET
    generation: int | msgspec.UnsetType | None = msgspec.UNSET


class Allocations:
    def __init__(self, cloud: Cloud, inventories: Inventories) -> None:
        self.db = cloud.db
        self.inventories = inventories
        self.providers = inventories.providers
        self.store = AllocationStore()
        self.consumers = ConsumerStore()

    async def of_consumer(self, consumer_id: str) -> tuple[Consumer | None, dict[str, tuple[int, Amounts]]]:
        """The consumer, and by provider its generation and what is taken of it."""
        async with self.db.read() as tx:
            consumer = await self.consumers.get(tx, consumer_id)
            found: dict[str, tuple[int, Amounts]] = {}
            for allocation in await self.store.find(tx, self.store.table.c.consumer_id == consumer_id):
                if allocation.provider_id not in found:
                    found[allocation.provider_id] = ((await self.providers.get(tx, allocation.provider_id)).generation, {})
                found[allocation.provider_id][1][allocation.resource_class] = allocation.used
        return consumer, found

    async def of_provider(self, provider_id: str) -> tuple[int, dict[str, tuple[Consumer, Amounts]]]:
        """The provider's generation, and by consumer what it takes."""
        async with self.db.read() as tx:
            provider = await self.providers.get(tx, provider_id)
            amounts: dict[str, Amounts] = defaultdict(dict)
            for allocation in await self.store.find(tx, self.store.table.c.provider_id == provider_id):
                amounts[allocation.consumer_id][allocation.resource_class] = allocation.used
            consumers = await self.consumers.find(tx, self.consumers.table.c.id.in_(amounts)) if amounts else []
            return provider.generation, {consumer.id: (consumer, amounts[consumer.id]) for consumer in consumers}

    async def usages(self, project_id: str, user_id: str | None, consumer_type: str | None) -> dict[str, Amounts]:
        async with self.db.read() as tx:
            return await self.store.usages_by_type(tx, project_id, user_id, consumer_type)

    async def claim(self, *claims: Claim) -> None:
        """All of these or none. CapacityExceeded, AllocationUnfit, ConcurrentUpdate; BadRequest for an unknown provider or class."""
        try:
            async with self.db.write() as tx:
                await self.claim_within(tx, *claims)
        except IntegrityError:
            # The only key two callers can both insert is a new consumer's.
            raise ConcurrentUpdate(what="consumer", expected="a new one", found="one made meanwhile") from None

    async def claim_within(self, tx: Transaction, *claims: Claim) -> None:
        before = [await self._write_consumer(tx, claim) for claim in sorted(claims, key=lambda claim: claim.consumer_id)]
        wanted = {provider_id for claim in claims for provider_id in claim.allocations}
        touched = wanted.union(*before)
        # With the rows held nobody else can claim of these providers until we commit.
        locked = await self.providers.store.lock_all(tx, touched) if touched else {}
        if missing := wanted - set(locked):
            raise BadRequest(reason=f"Allocation for resource provider '{min(missing)}' that does not exist.")
        await self.store.delete_where(tx, self.store.table.c.consumer_id.in_([claim.consumer_id for claim in claims]))
        await self._check_fits(tx, claims, wanted)
        await self.store.insert_all(
            tx,
            [
                Allocation(claim.consumer_id, provider_id, name, amount)
                for claim in claims
                for provider_id, amounts in claim.allocations.items()
                for name, amount in amounts.items()
            ],
        )
        for provider_id in sorted(touched):
            await self.providers.store.bump(tx, provider_id)
        for claim in claims:
            if not claim.allocations:
                await self.consumers.delete(tx, claim.consumer_id)

    async def release(self, consumer_id: str) -> None:
        async with self.db.write() as tx:
            consumer = await self.consumers.get(tx, consumer_id, lock=True)
            if consumer is None:
                raise AllocationsNotFound(consumer_id=consumer_id)
            freed = {allocation.provider_id for allocation in await self.store.find(tx, self.store.table.c.consumer_id == consumer_id)}
            await self.providers.store.lock_all(tx, freed)
            await self.store.delete_where(tx, self.store.table.c.consumer_id == consumer_id)
            await self.consumers.delete(tx, consumer_id)
            for provider_id in sorted(freed):
                await self.providers.store.bump(tx, provider_id)

    async def _write_consumer(self, tx: Transaction, claim: Claim) -> set[str]:
        """Make or renew the consumer; the providers that it takes of now."""
        consumer = await self.consumers.get(tx, claim.consumer_id, lock=True)
        generation = consumer.generation if consumer else None
        if claim.generation is not msgspec.UNSET and claim.generation != generation:
            raise ConcurrentUpdate(what=f"consumer {claim.consumer_id}", expected=generation, found=claim.generation)
        moment = now()
        if consumer is None:
            kind = "unknown" if claim.consumer_type is msgspec.UNSET else claim.consumer_type
            await self.consumers.insert(tx, Consumer(claim.consumer_id, 1, claim.project_id, claim.user_id, kind, moment, moment))
            return set()
        changes: dict[str, str] = {}
        if claim.project_id != UNKNOWN:
            changes = {"project_id": claim.project_id, "user_id": claim.user_id}
        if claim.consumer_type is not msgspec.UNSET:
            changes["consumer_type"] = claim.consumer_type
        await self.consumers.update(tx, claim.consumer_id, generation=consumer.generation + 1, updated_at=moment, **changes)
        return {allocation.provider_id for allocation in await self.store.find(tx, self.store.table.c.consumer_id == claim.consumer_id)}

    async def _check_fits(self, tx: Transaction, claims: tuple[Claim, ...], provider_ids: set[str]) -> None:
        if not provider_ids:
            return
        await self.inventories.classes.check(tx, {name for claim in claims for amounts in claim.allocations.values() for name in amounts})
        table = self.inventories.store.table.c
        inventories: dict[tuple[str, str], Inventory] = {
            (inventory.provider_id, inventory.resource_class): inventory
            for inventory in await self.inventories.store.find(tx, table.provider_id.in_(provider_ids))
        }
        used = await self.store.usages(tx, self.store.table.c.provider_id.in_(provider_ids))
        for claim in claims:
            for provider_id, amounts in claim.allocations.items():
                taken = used.setdefault(provider_id, {})
                for name, amount in amounts.items():
                    inventory = inventories.get((provider_id, name))
                    if inventory is None or not inventory.takes(amount):
                        raise AllocationUnfit(provider_id=provider_id, resource_class=name, amount=amount)
                    taken[name] = taken.get(name, 0) + amount
                    if taken[name] > inventory.capacity:
                        raise CapacityExceeded(provider_id=provider_id, resource_class=name)
