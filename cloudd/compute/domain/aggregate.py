"""Host aggregates."""

import uuid

import msgspec
from sqlalchemy.exc import IntegrityError

from cloudd.compute.domain.host import Hosts
from cloudd.compute.errors import AggregateNotFound, AggregateTaken, HostNotFound
from cloudd.compute.store.aggregate import Aggregate, AggregateStore, aggregate_table
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.errors import Conflict
from cloudd.kit.service import Cloud

# What is longer is no number that a database takes.
_DIGITS = 10


class Aggregates:
    def __init__(self, cloud: Cloud, hosts: Hosts) -> None:
        self.db = cloud.db
        self.hosts = hosts
        self.store = AggregateStore()

    async def list(self) -> list[Aggregate]:
        """Every aggregate."""
        async with self.db.read() as tx:
            return await self.store.find(tx, order=aggregate_table.c.created_at)

    async def get(self, key: str) -> Aggregate:
        """By its number or uuid. AggregateNotFound."""
        async with self.db.read() as tx:
            return await self._of(tx, key)

    async def _of(self, tx: Transaction, key: str, *, lock: bool = False) -> Aggregate:
        where = aggregate_table.c.number == int(key) if key.isdigit() and len(key) <= _DIGITS else aggregate_table.c.id == key
        rows = await self.store.find(tx, where)
        if not rows:
            raise AggregateNotFound(aggregate_id=key)
        return await self.store.get(tx, rows[0].id, lock=lock) or rows[0]

    async def create(self, name: str, zone: str | None) -> Aggregate:
        """AggregateTaken."""
        metadata = {"availability_zone": zone} if zone else {}
        row = Aggregate(id=str(uuid.uuid4()), number=0, name=name, metadata=metadata, created_at=now())
        try:
            async with self.db.write() as tx:
                row.number = 1 + max((other.number for other in await self.store.find(tx)), default=0)
                await self.store.insert(tx, row)
        except IntegrityError:
            raise AggregateTaken(name=name) from None
        return row

    async def update(self, key: str, *, name: str | None = None, metadata: dict[str, str | None] | None = None) -> Aggregate:
        """Rename, and merge metadata; a null value takes a key away."""
        try:
            async with self.db.write() as tx:
                row = await self._of(tx, key, lock=True)
                merged = {**row.metadata, **(metadata or {})}
                values = {"name": name or row.name, "metadata": {k: v for k, v in merged.items() if v is not None}, "updated_at": now()}
                await self.store.update(tx, row.id, **values)
        except IntegrityError:
            raise AggregateTaken(name=name) from None
        return msgspec.convert({**msgspec.structs.asdict(row), **values}, Aggregate)

    async def delete(self, key: str) -> None:
        """Only an empty one."""
        async with self.db.write() as tx:
            row = await self._of(tx, key, lock=True)
            if row.hosts:
                raise Conflict(reason=f"Aggregate {row.name} is not empty: remove its hosts first.")
            await self.store.delete(tx, row.id)

    async def add_host(self, key: str, host: str) -> Aggregate:
        """HostNotFound; a host is in one availability zone at most."""
        await self.hosts.get(host)
        async with self.db.write() as tx:
            row = await self._of(tx, key, lock=True)
            if host in row.hosts:
                raise Conflict(reason=f"Aggregate {row.name} already has host {host}.")
            zone = row.metadata.get("availability_zone")
            for other in await self.store.find(tx):
                if zone and host in other.hosts and other.metadata.get("availability_zone") not in (None, zone):
                    raise Conflict(reason=f"Host {host} is already in availability zone {other.metadata['availability_zone']}.")
            await self.store.update(tx, row.id, hosts=[*row.hosts, host], updated_at=now())
        return await self.get(key)

    async def remove_host(self, key: str, host: str) -> Aggregate:
        """HostNotFound."""
        async with self.db.write() as tx:
            row = await self._of(tx, key, lock=True)
            if host not in row.hosts:
                raise HostNotFound(host=host)
            await self.store.update(tx, row.id, hosts=[name for name in row.hosts if name != host], updated_at=now())
        return await self.get(key)
