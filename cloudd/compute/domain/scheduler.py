"""Chooses a server's host: placement says where there is room, rules say where it may go, weights say where it is best."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from cloudd.compute.domain.host import Hosts
from cloudd.compute.errors import NoValidHost
from cloudd.compute.store.host import Host
from cloudd.compute.store.server import FlavorFacts, Server, ServerStore
from cloudd.compute.store.server_group import ServerGroup, ServerGroupStore
from cloudd.kit.errors import Condition
from cloudd.kit.service import Cloud
from cloudd.placement.client import Candidate, PlacementClient

_MOST_CANDIDATES = 200


class Chosen(msgspec.Struct, frozen=True):
    """Where a server goes; its resources are claimed there."""

    host: str
    provider_id: str
    availability_zone: str


class Scheduler:
    def __init__(self, cloud: Cloud, hosts: Hosts) -> None:
        self.cloud = cloud
        self.hosts = hosts
        self.servers = ServerStore()
        self.groups = ServerGroupStore()

    async def place(self, server: Server, *, local_disk_gib: int) -> Chosen:
        """Choose a host and claim what the server needs. NoValidHost says why there is none. A second call finds the first one's choice."""
        placement = self.cloud.client(PlacementClient)
        zones = {host.name: (host, zone) for zone, hosts in (await self.hosts.zones()).items() for host in hosts}
        held = await placement.allocations_of(server.id)
        for host, zone in zones.values():
            if host.id in held:
                return Chosen(host.name, host.id, zone)
        resources = amounts(server.flavor, local_disk_gib)

        async def claim(provider_id: str) -> None:
            await placement.claim(server.id, provider_id, resources, server.project_id, server.user_id)

        return await self._first(server, resources, zones, claim, wanted_host=server.wanted_host)

    async def move(self, server: Server, resources: dict[str, int], *, migration_id: str, wanted_host: str | None) -> Chosen:
        """Choose another host and claim there; the migration holds what the server had until now. A second call finds the choice."""
        placement = self.cloud.client(PlacementClient)
        zones = {host.name: (host, zone) for zone, hosts in (await self.hosts.zones()).items() for host in hosts}
        if await placement.allocations_of(migration_id):
            held = await placement.allocations_of(server.id)
            for host, zone in zones.values():
                if host.id in held:
                    return Chosen(host.name, host.id, zone)

        async def claim(provider_id: str) -> None:
            await placement.move(server.id, migration_id, provider_id, resources, server.project_id, server.user_id)

        source = zones.pop(server.host or "", None)
        if not zones:
            raise NoValidHost(reason=f"The cloud has no host beside {source[0].name if source else 'none'}.")
        return await self._first(server, resources, zones, claim, wanted_host=wanted_host)

    async def _first(
        self,
        server: Server,
        resources: dict[str, int],
        zones: dict[str, tuple[Host, str]],
        claim: Callable[[str], Awaitable[None]],
        *,
        wanted_host: str | None,
    ) -> Chosen:
        """The best of the hosts in `zones` where the claim succeeds."""
        candidates = await self.cloud.client(PlacementClient).candidates(resources, limit=_MOST_CANDIDATES)
        if not candidates:
            raise NoValidHost(reason=f"No host has {_written(resources)} free.")
        fitting = await self._fitting(server, candidates, zones, wanted_host=wanted_host)
        for candidate in fitting:
            try:
                await claim(candidate.provider_id)
            except Condition as error:
                if error.status >= 500:
                    raise
                # Another server was quicker: the next one.
                continue
            host, zone = zones[candidate.name]
            return Chosen(host.name, host.id, zone)
        raise NoValidHost(reason="Every host with room is down, disabled or excluded by the server's zone, hints or group.")

    async def _fitting(
        self, server: Server, candidates: list[Candidate], zones: dict[str, tuple[Host, str]], *, wanted_host: str | None
    ) -> list[Candidate]:
        group, peers = await self._group(server)
        hints = server.scheduler_hints
        fitting = []
        for candidate in candidates:
            host, zone = zones.get(candidate.name, (None, ""))
            if host is None or not host.is_enabled or not self.hosts.is_up(host):
                continue
            if server.pinned_availability_zone not in (None, zone) or wanted_host not in (None, host.name):
                continue
            if not _hints_allow(hints, host.name, peers) or not _group_allows(group, host.name, peers):
                continue
            fitting.append(candidate)
        random.shuffle(fitting)
        hosts_in_use = {peer.host for peer in peers.values() if group is not None and peer.server_group_id == group.id}

        def weight(candidate: Candidate) -> tuple[int, int]:
            together = candidate.name in hosts_in_use
            preference = 0 if group is None or not group.policy.startswith("soft-") else int(together == (group.policy == "soft-affinity"))
            return preference, candidate.free.get("MEMORY_MB", 0)

        return sorted(fitting, key=weight, reverse=True)

    async def _group(self, server: Server) -> tuple[ServerGroup | None, dict[str, Server]]:
        """The server's group, and by id the other servers that its place depends on."""
        hints = server.scheduler_hints
        named = [*_many(hints.get("different_host")), *_many(hints.get("same_host"))]
        async with self.cloud.db.read() as tx:
            peers = [peer for server_id in named if (peer := await self.servers.alive(tx, server_id))]
            group = await self.groups.get(tx, server.server_group_id) if server.server_group_id else None
            if group is not None:
                peers += await self.servers.in_group(tx, [group.id])
        return group, {peer.id: peer for peer in peers if peer.host and peer.id != server.id}


def amounts(flavor: FlavorFacts, local_disk_gib: int) -> dict[str, int]:
    """What a server takes from its host."""
    wanted = {"VCPU": flavor.vcpus, "MEMORY_MB": flavor.memory_mib, "DISK_GB": local_disk_gib}
    return {name: amount for name, amount in wanted.items() if amount > 0}


def _hints_allow(hints: dict[str, Any], host: str, peers: dict[str, Server]) -> bool:
    def hosts_of(key: str) -> set[str | None]:
        return {peers[server_id].host for server_id in _many(hints.get(key)) if server_id in peers}

    if host in hosts_of("different_host"):
        return False
    return not hints.get("same_host") or host in hosts_of("same_host")


def _group_allows(group: ServerGroup | None, host: str, peers: dict[str, Server]) -> bool:
    if group is None:
        return True
    there = [peer.host for peer in peers.values() if peer.server_group_id == group.id]
    if group.policy == "anti-affinity":
        return there.count(host) < int(group.rules.get("max_server_per_host", 1))
    return group.policy != "affinity" or not there or host in there


def _many(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def _written(resources: dict[str, int]) -> str:
    return ", ".join(f"{amount} {name}" for name, amount in resources.items())
