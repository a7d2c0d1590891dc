"""A server goes to another host: cold, while it runs, or because its host is dead."""

import uuid
from typing import Any

from cloudd.compute.domain.block_device import local_disk_gib
from cloudd.compute.domain.host import Hosts
from cloudd.compute.domain.server_action import ServerActions, base
from cloudd.compute.domain.server_state import STOPPED
from cloudd.compute.domain.work import EvacuateServerParams, MoveServerParams, ResizeServerParams
from cloudd.compute.errors import HostInUse, HostNotFound
from cloudd.compute.store.block_device import BlockDevice, BlockDeviceStore
from cloudd.compute.store.host import Host
from cloudd.compute.store.migration import EVACUATION, LIVE, MIGRATION, Migration, MigrationStore
from cloudd.compute.store.server import Server
from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.errors import BadRequest
from cloudd.kit.service import Cloud

# Connections that are paths on one host.
_LOCAL_DRIVERS = frozenset({"file", "block"})


class ServerMigrations:
    """Each is for an administrator only; the route has asked for that."""

    def __init__(self, cloud: Cloud, hosts: Hosts, server_actions: ServerActions) -> None:
        self.db = cloud.db
        self.hosts = hosts
        self.server_actions = server_actions
        self.devices = BlockDeviceStore()
        self.store = MigrationStore()

    async def migrate(self, ctx: Context, server_id: str, wanted_host: str | None) -> None:
        """Shut down, carry the disks, start at the destination, await confirmation. BadRequest where there is no destination."""
        await self.server_actions.servers.get(ctx, server_id)
        async with self.db.write() as tx:
            server = await self.server_actions.check(tx, ctx, server_id, "migrate")
            if wanted_host is not None and wanted_host == server.host:
                raise BadRequest(reason="Cannot migrate to the host where the server exists.")
            await self._destination(server, wanted_host)
            devices = await self._movable(tx, server)
            disk_gib = local_disk_gib([row for row in devices if not row.volume_id])
            params = ResizeServerParams(
                **base(server),
                flavor=server.flavor,
                old_flavor=server.flavor,
                local_disk_gib=disk_gib,
                old_local_disk_gib=disk_gib,
                migration_id=await self.record(tx, ctx, server, MIGRATION, "queued"),
                source_host=server.host or "",
                wanted_host=wanted_host,
                must_move=True,
            )
            await self.server_actions.begin(tx, ctx, server, "migrate", "compute.resize_server", params)

    async def live_migrate(self, ctx: Context, server_id: str, wanted_host: str | None, *, copies_disks: bool | None) -> None:
        """Move it while it runs. `copies_disks` None lets the server's disks decide; false refuses a server with local ones."""
        await self.server_actions.servers.get(ctx, server_id)
        async with self.db.write() as tx:
            server = await self.server_actions.check(tx, ctx, server_id, "live_migrate")
            if wanted_host is not None and wanted_host == server.host:
                raise BadRequest(reason=f"Unable to migrate instance ({server_id}) to current host ({server.host}).")
            await self._destination(server, wanted_host)
            if not self.hosts.is_up(await self.hosts.get(server.host or "")):
                raise BadRequest(reason=f"Compute service of {server.host} is unavailable at this time.")
            devices = await self._movable(tx, server)
            local = [row for row in devices if not row.volume_id]
            if local and copies_disks is False:
                raise BadRequest(
                    reason=f"{server.host} is not on shared storage: Shared storage live-migration requires either shared storage or "
                    "boot-from-volume with no local disks."
                )
            params = MoveServerParams(
                **base(server),
                migration_id=await self.record(tx, ctx, server, LIVE, "queued"),
                source_host=server.host or "",
                wanted_host=wanted_host,
                local_disk_gib=local_disk_gib(local),
            )
            await self.server_actions.begin(tx, ctx, server, "live_migrate", "compute.live_migrate_server", params)

    async def evacuate(self, ctx: Context, server_id: str, wanted_host: str | None, password: str | None, *, stays_off: bool) -> None:
        """Build it anew elsewhere. HostInUse while its host lives; HostNotFound, BadRequest for a destination that cannot be."""
        await self.server_actions.servers.get(ctx, server_id)
        async with self.db.write() as tx:
            server = await self.server_actions.check(tx, ctx, server_id, "evacuate")
            if wanted_host is not None:
                await self.hosts.get(wanted_host)
                if wanted_host == server.host:
                    raise BadRequest(reason="The target host can't be the same one.")
            if server.host is None:
                raise BadRequest(reason=f"Instance {server_id} is on no host.")
            if self.hosts.is_up(await self.hosts.get(server.host)):
                raise HostInUse(host=server.host)
            if await self.store.under_way(tx, server_id) is not None and server.task_state is not None:
                raise BadRequest(reason=f"Instance {server_id} is already on its way to another host.")
            await self._destination(server, wanted_host)
            devices = await self._movable(tx, server)
            params = EvacuateServerParams(
                **base(server),
                migration_id=await self.record(tx, ctx, server, EVACUATION, "accepted"),
                source_host=server.host,
                wanted_host=wanted_host,
                local_disk_gib=local_disk_gib([row for row in devices if not row.volume_id]),
                stays_off=stays_off or server.vm_state == STOPPED,
            )
            await self.server_actions.servers.store.update(tx, server_id, admin_password=password)
            await self.server_actions.begin(tx, ctx, server, "evacuate", "compute.evacuate_server", params)

    async def record(self, tx: Transaction, ctx: Context, server: Server, kind: str, status: str, new_flavor_id: str = "") -> str:
        """The row that describes a move from now on; its id."""
        row = Migration(
            id=str(uuid.uuid4()),
            number=await self.store.next_number(tx),
            server_id=server.id,
            kind=kind,
            status=status,
            source_host=server.host or "",
            old_flavor_id=server.flavor.id,
            new_flavor_id=new_flavor_id or server.flavor.id,
            user_id=ctx.user_id or "",
            project_id=ctx.project_id or "",
            created_at=now(),
        )
        await self.store.insert(tx, row)
        return row.id

    async def finished(self, tx: Transaction, server: Server) -> dict[str, Any]:
        """What the decision on a resize must know of the move that it was."""
        migration = await self.store.under_way(tx, server.id)
        return {} if migration is None else {"migration_id": migration.id, "source_host": migration.source_host}

    async def check_source(self, tx: Transaction, server: Server) -> None:
        """BadRequest when the server came from a host that is down, so that it cannot go back."""
        migration = await self.store.under_way(tx, server.id)
        if migration is not None and migration.changes_host and not self.hosts.is_up(await self.hosts.get(migration.source_host)):
            raise BadRequest(reason=f"Host {migration.source_host}, where the server came from, is down.")

    async def _destination(self, server: Server, wanted: str | None) -> None:
        """BadRequest when there is no host to go to. Whether there is room is found out when it is claimed."""
        if wanted is not None:
            try:
                host = await self.hosts.get(wanted)
            except HostNotFound as error:
                raise BadRequest(reason=error.text) from None
            if not self._takes(host):
                raise BadRequest(reason=f"Compute service of {wanted} is unavailable at this time.")
            return
        others = [host for host in await self.hosts.everyone() if host.name != server.host and self._takes(host)]
        if not others:
            raise BadRequest(reason="No valid host was found. No other host is up and enabled.")

    def _takes(self, host: Host) -> bool:
        return host.is_enabled and self.hosts.is_up(host)

    async def _movable(self, tx: Transaction, server: Server) -> list[BlockDevice]:
        """The server's disks. BadRequest for a volume that only its present host reaches."""
        devices = (await self.devices.of(tx, [server.id]))[server.id]
        for device in devices:
            if device.volume_id and (device.connection or {}).get("driver") in _LOCAL_DRIVERS:
                raise BadRequest(reason=f"Volume {device.volume_id} can be reached on host {server.host} only; detach it first.")
        return devices
