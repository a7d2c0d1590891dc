"""Compute hosts: known by their heartbeats, offered to placement, seen by operators as services and hypervisors."""

import asyncio
import logging
import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec

from cloudd.compute.errors import EvacuationsPending, HostNotFound
from cloudd.compute.messages import Heartbeat
from cloudd.compute.settings import ComputeSettings
from cloudd.compute.store.aggregate import AggregateStore
from cloudd.compute.store.host import Host, HostStore, host_table
from cloudd.compute.store.migration import EVACUATION, MigrationStore
from cloudd.compute.store.server import ServerStore
from cloudd.kit.clock import now
from cloudd.kit.service import Cloud
from cloudd.placement.client import Inventory, PlacementClient

log = logging.getLogger(__name__)

# A host's id follows from its name: a host that is installed anew is the same provider.
_NAMESPACE = uuid.UUID("6d1d3c5e-6f0b-4f0e-9a53-54d6b5a7a0d3")


class Load(msgspec.Struct, frozen=True):
    """What the servers on a host add up to."""

    servers: int = 0
    vcpus: int = 0
    memory_mib: int = 0


class Hosts:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.settings = cloud.settings.section(ComputeSettings)
        self.store = HostStore()
        self.servers = ServerStore()
        self.aggregates = AggregateStore()
        self.migrations = MigrationStore()
        self._meeting = asyncio.Lock()

    async def heartbeat(self, beat: Heartbeat) -> Host:
        """Write down that the host lives, and tell placement where what it has changed."""
        async with self._meeting:
            async with self.db.read() as tx:
                known = await self.store.by_name(tx, beat.host)
            host = known or self._new(beat)
            # Placement first: a host whose row is there is one that can be scheduled to.
            if known is None or _inventory_facts(known) != _inventory_facts(beat):
                await self._tell_placement(host.id, beat)
            async with self.db.write() as tx:
                if known is None:
                    host.number = await self.store.count(tx) + 1
                    await self.store.insert(tx, host)
                else:
                    values = {
                        "capacity": beat.capacity,
                        "address": beat.address,
                        "availability_zone": beat.availability_zone,
                        "seen_at": now(),
                    }
                    await self.store.update(tx, host.id, **values)
        return host

    def _new(self, beat: Heartbeat) -> Host:
        return Host(
            id=str(uuid.uuid5(_NAMESPACE, beat.host)),
            number=0,
            name=beat.host,
            address=beat.address,
            availability_zone=beat.availability_zone,
            capacity=beat.capacity,
            recovered_boot_id=beat.capacity.boot_id,
            created_at=now(),
            seen_at=now(),
        )

    async def _tell_placement(self, host_id: str, beat: Heartbeat) -> None:
        settings, capacity = self.settings, beat.capacity
        reserved = min(settings.reserved_memory_mib, capacity.memory_mib - 1)
        inventory = {
            "VCPU": Inventory(total=capacity.vcpus, max_unit=capacity.vcpus, allocation_ratio=settings.cpu_allocation_ratio),
            "MEMORY_MB": Inventory(
                total=capacity.memory_mib,
                reserved=reserved,
                max_unit=capacity.memory_mib,
                allocation_ratio=settings.memory_allocation_ratio,
            ),
            "DISK_GB": Inventory(
                total=max(1, capacity.disk_gib), max_unit=max(1, capacity.disk_gib), allocation_ratio=settings.disk_allocation_ratio
            ),
        }
        placement = self.cloud.client(PlacementClient)
        await placement.ensure_provider(host_id, beat.host)
        await placement.set_inventory(host_id, inventory)

    async def everyone(self) -> list[Host]:
        """Every host, by name."""
        async with self.db.read() as tx:
            return await self.store.find(tx, order=host_table.c.name)

    async def get(self, name: str) -> Host:
        """HostNotFound."""
        async with self.db.read() as tx:
            host = await self.store.by_name(tx, name)
        if host is None:
            raise HostNotFound(host=name)
        return host

    async def by_id(self, key: str) -> Host:
        """By its uuid, or by the integer of the time before 2.53. HostNotFound."""
        for host in await self.everyone():
            if key in (host.id, str(host.number)):
                return host
        raise HostNotFound(host=key)

    async def change(self, host: Host, **values: Any) -> Host:
        """Enable, disable, force down or up again. EvacuationsPending while the host has not cleaned up after what was taken from it."""
        async with self.db.write() as tx:
            is_raised = host.is_forced_down and values.get("is_forced_down") is False
            if is_raised and await self.migrations.away_from(tx, host.name, EVACUATION, "done"):
                raise EvacuationsPending(host=host.name)
            await self.store.update(tx, host.id, **values)
        return msgspec.structs.replace(host, **values)

    async def forget(self, host: Host) -> None:
        """Remove a host that is gone for good."""
        await self.cloud.client(PlacementClient).delete_provider(host.id)
        async with self.db.write() as tx:
            await self.store.delete(tx, host.id)

    async def loads(self) -> dict[str, Load]:
        """Host name to what runs there."""
        async with self.db.read() as tx:
            return {name: Load(*sums) for name, sums in (await self.servers.counts_by_host(tx)).items()}

    def is_up(self, host: Host) -> bool:
        """Heard of lately, and not declared dead by an operator."""
        return not host.is_forced_down and self.is_heard_of(host)

    def is_heard_of(self, host: Host) -> bool:
        """Heard of lately, whatever an operator says of it."""
        return host.seen_at > now() - timedelta(seconds=self.settings.host_down_seconds)

    async def zones(self) -> dict[str, list[Host]]:
        """Availability zone to its hosts: an aggregate's zone goes before the one a host names itself."""
        async with self.db.read() as tx:
            hosts = await self.store.find(tx, order=host_table.c.name)
            aggregates = await self.aggregates.find(tx)
        zone_of = {name: a.metadata["availability_zone"] for a in aggregates if "availability_zone" in a.metadata for name in a.hosts}
        return grouped(hosts, zone_of)


def grouped(hosts: Iterable[Host], zone_of: dict[str, str]) -> dict[str, list[Host]]:
    """Hosts by their zone."""
    zones: dict[str, list[Host]] = {}
    for host in hosts:
        zones.setdefault(zone_of.get(host.name, host.availability_zone), []).append(host)
    return zones


def _inventory_facts(source: Host | Heartbeat) -> tuple[int, int, int]:
    return source.capacity.vcpus, source.capacity.memory_mib, source.capacity.disk_gib
