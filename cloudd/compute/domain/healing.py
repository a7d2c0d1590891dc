"""Compares what hosts run with what the rows say, and heals the difference."""

import logging
from datetime import timedelta

import sqlalchemy as sa

from cloudd.compute.domain import server_state as s
from cloudd.compute.domain.host import Hosts
from cloudd.compute.domain.leftover import Leftovers
from cloudd.compute.domain.work import ServerParams
from cloudd.compute.drivers.base import DomainState, PowerState
from cloudd.compute.messages import DestroyServer, Heartbeat, ListDomains, Removal, ReportServers, agent_topic
from cloudd.compute.store.host import Host
from cloudd.compute.store.server import Fault, Server, ServerStore, server_table
from cloudd.kit.auth import new_request_id
from cloudd.kit.clock import iso_z, now
from cloudd.kit.errors import Condition
from cloudd.kit.saga import STUCK, saga_table
from cloudd.kit.service import Cloud

log = logging.getLogger(__name__)

# A task state without a saga is not touched before this: the saga's row may be on its way.
_STUCK_SECONDS = 60
_KEEP_DELETED_DAYS = 30
_OFF = {PowerState.SHUTOFF, PowerState.CRASHED}


class Healing:
    def __init__(self, cloud: Cloud, hosts: Hosts) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.hosts = hosts
        self.servers = ServerStore()
        self.leftovers = Leftovers(cloud)

    async def report(self, report: ReportServers) -> list[Removal]:
        """What a host that starts, or was cut off, must remove before it takes any order."""
        removals = await self.leftovers.on(report.host, report.server_ids)
        await self.leftovers.complete_evacuations(report.host, report.server_ids)
        return removals

    async def heartbeat(self, beat: Heartbeat) -> None:
        """A host that was rebooted gets its servers back at once."""
        host = await self.hosts.heartbeat(beat)
        if host.recovered_boot_id != beat.capacity.boot_id:
            await self.heal_host(await self.hosts.get(beat.host))

    async def heal(self) -> None:
        """Every host that answers, one after another; one that was only declared down loses what moved away, and gets nothing."""
        for host in await self.hosts.everyone():
            if self.hosts.is_heard_of(host):
                try:
                    await self.heal_host(host)
                except Condition as error:
                    log.warning("host %s was not looked at: %s", host.name, error.text)

    async def heal_host(self, host: Host) -> None:
        """Servers that should run are started, those that stopped themselves are noted, leftovers of deleted ones removed."""
        was_rebooted = host.recovered_boot_id != host.capacity.boot_id
        # Rows first: what changes after this is noticed by the conditions of the updates below.
        async with self.db.read() as tx:
            servers = await self.servers.on_host(tx, host.name)
        domains: list[DomainState] = await self.cloud.bus.call(agent_topic(host.name), ListDomains(), timeout_seconds=30)
        found = {domain.server_id: domain for domain in domains}
        # What runs elsewhere goes before anything is started here.
        for removal in await self.leftovers.on(host.name, found):
            message = DestroyServer(server_id=removal.server_id, keep_disks=removal.keep_disks)
            await self.cloud.bus.call(agent_topic(host.name), message, timeout_seconds=120)
        await self.leftovers.complete_evacuations(host.name, found)
        if not self.hosts.is_up(host):
            return
        for server in servers:
            if server.task_state is None:
                await self._heal_server(server, found.get(server.id), was_rebooted=was_rebooted)
        if was_rebooted:
            await self.hosts.change(host, recovered_boot_id=host.capacity.boot_id)

    async def _heal_server(self, server: Server, domain: DomainState | None, *, was_rebooted: bool) -> None:
        power = domain.power_state if domain else None
        if server.vm_state == s.ACTIVE and (power is None or (power in _OFF and was_rebooted)):
            await self._recover(server)
        elif server.vm_state in (s.ACTIVE, s.PAUSED) and power in _OFF:
            log.info("server %s was powered off from inside", server.id)
            await self._note(server, vm_state=s.STOPPED, power_state=s.SHUTDOWN)
        elif server.vm_state == s.ACTIVE and power is PowerState.PAUSED:
            await self._note(server, vm_state=s.PAUSED, power_state=s.POWER_PAUSED)
        elif server.vm_state == s.STOPPED and power is PowerState.RUNNING:
            log.warning("server %s was started behind the service's back; it counts as running", server.id)
            await self._note(server, vm_state=s.ACTIVE, power_state=s.RUNNING)

    async def _recover(self, server: Server) -> None:
        request_id = new_request_id()
        async with self.db.write() as tx:
            unchanged = server_table.c.task_state.is_(None), server_table.c.vm_state == server.vm_state
            if await self.servers.update(tx, server.id, *unchanged, task_state="powering-on"):
                params = ServerParams(server_id=server.id, project_id=server.project_id, user_id=server.user_id)
                await self.cloud.sagas.start(tx, "compute.recover_server", params, resource_id=server.id, request_id=request_id)

    async def _note(self, server: Server, **values: object) -> None:
        async with self.db.write() as tx:
            unchanged = server_table.c.task_state.is_(None), server_table.c.vm_state == server.vm_state
            await self.servers.update(tx, server.id, *unchanged, updated_at=now(), **values)

    async def free_stuck(self) -> None:
        """A task state that no saga stands behind any more is cleared; a server that was never finished is in ERROR."""
        async with self.db.read() as tx:
            working = sa.select(saga_table.c.resource_id).where(saga_table.c.state.in_(("pending", "undoing", STUCK)))
            stuck = await self.servers.find(
                tx,
                server_table.c.task_state.is_not(None),
                server_table.c.deleted_at.is_(None),
                server_table.c.updated_at < now() - timedelta(seconds=_STUCK_SECONDS),
                server_table.c.id.not_in(working),
            )
        for server in stuck:
            log.warning("server %s had task state %s and nobody worked on it", server.id, server.task_state)
            values: dict[str, object] = {"task_state": None, "updated_at": now()}
            if server.vm_state == s.BUILDING:
                fault = Fault(code=500, message=f"The work on this server ended at {server.task_state}.", created=iso_z(now()) or "")
                values |= {"vm_state": s.ERROR, "fault": fault}
            async with self.db.write() as tx:
                await self.servers.update(tx, server.id, server_table.c.task_state == server.task_state, **values)

    async def purge(self) -> None:
        """Rows of servers deleted a month ago go."""
        async with self.db.write() as tx:
            await self.servers.delete_where(tx, server_table.c.deleted_at < now() - timedelta(days=_KEEP_DELETED_DAYS))
