"""A server takes on another flavor: tried first, then confirmed or taken back."""

from typing import Any

from cloudd.compute.domain.block_device import local_disk_gib
from cloudd.compute.domain.flavor import Flavors
from cloudd.compute.domain.quota import Quotas
from cloudd.compute.domain.server_action import ServerActions, base
from cloudd.compute.domain.server_create import flavor_facts
from cloudd.compute.domain.server_migration import ServerMigrations
from cloudd.compute.domain.work import ResizeServerParams
from cloudd.compute.errors import FlavorNotFound
from cloudd.compute.store.block_device import BlockDeviceStore
from cloudd.compute.store.migration import RESIZE
from cloudd.compute.store.server import FlavorFacts, Server
from cloudd.kit.auth import Context
from cloudd.kit.db import Transaction
from cloudd.kit.errors import BadRequest
from cloudd.kit.service import Cloud


class ServerResizes:
    """On the host where the server is if that has room, else on another."""

    def __init__(
        self, cloud: Cloud, flavors: Flavors, quotas: Quotas, server_actions: ServerActions, server_migrations: ServerMigrations
    ) -> None:
        self.db = cloud.db
        self.flavors = flavors
        self.quotas = quotas
        self.server_actions = server_actions
        self.server_migrations = server_migrations
        self.devices = BlockDeviceStore()

    async def resize(self, ctx: Context, server_id: str, flavor_id: str) -> None:
        """BadRequest for an unknown flavor, the same one, or a smaller disk; QuotaExceeded."""
        await self.server_actions.servers.get(ctx, server_id)
        try:
            flavor = flavor_facts(await self.flavors.get(ctx, flavor_id))
        except FlavorNotFound as error:
            raise BadRequest(reason=f"Unable to locate requested flavor. {error.text}") from None
        async with self.db.write() as tx:
            server = await self.server_actions.check(tx, ctx, server_id, "resize")
            old = server.flavor
            if flavor.id == old.id:
                raise BadRequest(reason="When resizing, instances must change flavor!")
            move = {
                "migration_id": await self.server_migrations.record(tx, ctx, server, RESIZE, "queued", flavor.id),
                "source_host": server.host or "",
            }
            params = await self._params(tx, server, old, flavor, move)
            if params.local_disk_gib < params.old_local_disk_gib:
                raise BadRequest(reason="Resize to a smaller disk is not possible: choose a flavor with at least as much disk.")
            cores, ram = flavor.vcpus - server.vcpus, flavor.memory_mib - server.memory_mib
            await self.quotas.check_servers(tx, server.project_id, instances=0, cores=cores, ram=ram)
            # Both sizes count until the user has decided.
            larger = {"vcpus": max(server.vcpus, flavor.vcpus), "memory_mib": max(server.memory_mib, flavor.memory_mib)}
            await self.server_actions.servers.store.update(tx, server_id, **larger)
            await self.server_actions.begin(tx, ctx, server, "resize", "compute.resize_server", params)

    async def confirm(self, ctx: Context, server_id: str) -> None:
        """Keep the new size."""
        await self._decide(ctx, server_id, "confirmResize", "compute.confirm_resize")

    async def revert(self, ctx: Context, server_id: str) -> None:
        """Back to the old size, with the root disk as it was before."""
        await self._decide(ctx, server_id, "revertResize", "compute.revert_resize")

    async def _decide(self, ctx: Context, server_id: str, action: str, kind: str) -> None:
        async with self.db.write() as tx:
            server = await self.server_actions.check(tx, ctx, server_id, action)
            if server.old_flavor is None:
                raise BadRequest(reason="Instance has not been resized.")
            if action == "revertResize":
                await self.server_migrations.check_source(tx, server)
            move = await self.server_migrations.finished(tx, server)
            params = await self._params(tx, server, server.old_flavor, server.flavor, move)
            await self.server_actions.begin(tx, ctx, server, action, kind, params)

    async def _params(
        self, tx: Transaction, server: Server, old: FlavorFacts, new: FlavorFacts, move: dict[str, Any]
    ) -> ResizeServerParams:
        devices = [row for row in (await self.devices.of(tx, [server.id]))[server.id] if not row.volume_id]
        rest = local_disk_gib([row for row in devices if row.name != "root"])
        has_root = any(row.name == "root" for row in devices)
        return ResizeServerParams(
            **base(server),
            **move,
            flavor=new,
            old_flavor=old,
            local_disk_gib=rest + (new.disk_gib if has_root else 0),
            old_local_disk_gib=rest + (old.disk_gib if has_root else 0),
        )
