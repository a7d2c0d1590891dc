"""What an operator should know of compute: hosts that are silent, servers in ERROR, and where rows, hosts and placement disagree."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from cloudd.compute.domain import server_state as s
from cloudd.compute.domain.host import Hosts
from cloudd.compute.drivers.base import DomainState
from cloudd.compute.messages import ListDomains, agent_topic
from cloudd.compute.store.migration import MigrationStore, migration_table
from cloudd.compute.store.server import Server, ServerStore, server_table
from cloudd.kit.clock import iso_z, now
from cloudd.kit.health import Check, Finding
from cloudd.kit.saga import ACTIVE_STATES, STUCK, saga_table
from cloudd.kit.service import Cloud
from cloudd.network.client import NetworkClient
from cloudd.placement.client import PlacementClient

#: A change that is younger may be under way.
SETTLED_SECONDS = 60


class Health:
    def __init__(self, cloud: Cloud, hosts: Hosts) -> None:
        self.cloud = cloud
        self.hosts = hosts
        self.servers = ServerStore()
        self.migrations = MigrationStore()

    def checks(self) -> list[Check]:
        return [
            Check("compute.hosts", "compute hosts", self.look_at_hosts),
            Check("compute.servers", "servers", self.look_at_servers),
            Check("compute.hypervisors", "servers and hypervisors", self.compare_hypervisors),
            Check("compute.ports", "servers and their ports", self.look_at_ports),
            Check("compute.allocations", "servers and placement", self.compare_placement),
        ]

    async def look_at_hosts(self) -> list[Finding]:
        remedy = "start cloudd-agent there; if the host is lost: ./cloudctl evacuate_host"
        return [
            Finding("error", host.name, f"was last heard of at {iso_z(host.seen_at)}", remedy)
            for host in await self.hosts.everyone()
            if not self.hosts.is_heard_of(host)
        ]

    async def look_at_servers(self) -> list[Finding]:
        """Servers in ERROR, and those between two states on which nobody works."""
        working = sa.select(saga_table.c.resource_id).where(saga_table.c.state.in_((*ACTIVE_STATES, STUCK)))
        column = server_table.c
        async with self.cloud.db.read() as tx:
            failed = await self.servers.find(tx, column.vm_state == s.ERROR, column.deleted_at.is_(None))
            lost = await self.servers.find(
                tx, column.task_state.is_not(None), column.deleted_at.is_(None), column.updated_at < _settled(), column.id.not_in(working)
            )
        return [
            *(
                Finding("warning", _name(one), f"is in ERROR: {one.fault.message if one.fault else '?'}", "delete or rebuild it")
                for one in failed
            ),
            *(
                Finding("warning", _name(one), f"is {one.task_state} and nobody works on it", "the reconciler frees it soon")
                for one in lost
            ),
        ]

    async def compare_hypervisors(self) -> list[Finding]:
        """The domains of each living host against the rows, both ways, and no domain on two hosts."""
        found: list[Finding] = []
        places: dict[str, set[str]] = {}
        for host in await self.hosts.everyone():
            if self.hosts.is_heard_of(host):
                domains: list[DomainState] = await self.cloud.bus.call(agent_topic(host.name), ListDomains(), timeout_seconds=15)
                places[host.name] = {domain.server_id for domain in domains}
                found += await self._compare(host.name, places[host.name])
        for server_id in sorted(set().union(*places.values())):
            holders = sorted(name for name, ids in places.items() if server_id in ids)
            if len(holders) > 1 and (server := await self._row(server_id)) is not None and self._is_quiet(server):
                remedy = f"remove it from the host that its row does not name; that names {server.host}"
                found.append(Finding("error", _name(server), f"is on {' and '.join(holders)}", remedy))
        return found

    async def _compare(self, host: str, domains: set[str]) -> list[Finding]:
        async with self.cloud.db.read() as tx:
            rows = {server.id: server for server in await self.servers.on_host(tx, host)}
        missing = [one for one in rows.values() if one.id not in domains and one.vm_state in (s.ACTIVE, s.PAUSED) and self._is_quiet(one)]
        remedy = "the reconciler starts it; should it not, its fault and the agent's log tell why"
        found = [Finding("error", _name(one), f"should be on {host} and is not", remedy) for one in missing]
        for server_id in sorted(domains - rows.keys()):
            server = await self._row(server_id)
            if server is None or self._is_quiet(server):
                remedy = "the reconciler removes what was deleted or moved; what this cloud never made is left alone"
                found.append(Finding("warning", server_id, f"is on {host}, where no row has it", remedy))
        return found

    async def _row(self, server_id: str) -> Server | None:
        async with self.cloud.db.read() as tx:
            return await self.servers.get(tx, server_id)

    async def look_at_ports(self) -> list[Finding]:
        """Ports of running servers that their host has not bound."""
        async with self.cloud.db.read() as tx:
            running = {one.id: one for one in await self.servers.find(tx, server_table.c.vm_state == s.ACTIVE) if self._is_quiet(one)}
        remedy = "see that ovn-controller runs there and reaches the southbound database"
        ports = await self.cloud.client(NetworkClient).ports_of(list(running))
        return [
            Finding("error", _name(running[server_id]), f"port {port.port_id} is not bound on {running[server_id].host}", remedy)
            for server_id, its_ports in ports.items()
            for port in its_ports
            if port.status != "ACTIVE"
        ]

    async def compare_placement(self) -> list[Finding]:
        """Servers that hold nothing of their host, and holdings of which nobody knows the server."""
        placement, found = self.cloud.client(PlacementClient), []
        for host in await self.hosts.everyone():
            consumers = (await placement.consumers_of(host.id)).keys()
            async with self.cloud.db.read() as tx:
                rows = [one for one in await self.servers.on_host(tx, host.name) if one.vm_state != s.ERROR and self._is_quiet(one)]
                known = {
                    one.id for one in await self.servers.find(tx, server_table.c.id.in_(consumers), server_table.c.deleted_at.is_(None))
                }
                known |= {one.id for one in await self.migrations.find(tx, migration_table.c.id.in_(consumers))}
            remedy = f"{host.name} may be given away twice; migrating the server claims anew"
            found += [Finding("warning", _name(one), "holds nothing in placement", remedy) for one in rows if one.id not in consumers]
            remedy = "if nothing under way has that id: DELETE /placement/allocations/ID"
            found += [
                Finding("warning", host.name, f"{one} holds a part of it and is no server", remedy) for one in sorted(consumers - known)
            ]
        return found

    @staticmethod
    def _is_quiet(server: Server) -> bool:
        """Nothing is under way, nor was a moment ago."""
        return server.task_state is None and server.vm_state != s.RESIZED and server.updated_at < _settled()


def _settled() -> datetime:
    return now() - timedelta(seconds=SETTLED_SECONDS)


def _name(server: Server) -> str:
    return f"server {server.name} ({server.id})"
