"""Server groups and their members."""

import uuid
from typing import Any

from cloudd.compute.domain.quota import Quotas
from cloudd.compute.errors import ServerGroupNotFound
from cloudd.compute.store.server import Server, ServerStore, server_table
from cloudd.compute.store.server_group import ServerGroup, ServerGroupStore, server_group_table
from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.service import Cloud


class ServerGroups:
    def __init__(self, cloud: Cloud, quotas: Quotas) -> None:
        self.db = cloud.db
        self.quotas = quotas
        self.store = ServerGroupStore()
        self.servers = ServerStore()

    async def page(self, ctx: Context, *, all_projects: bool, limit: int, offset: int) -> list[tuple[ServerGroup, list[Server]]]:
        """Groups with their members."""
        where = [] if all_projects and ctx.is_admin else [server_group_table.c.project_id == ctx.project_id]
        async with self.db.read() as tx:
            groups = (await self.store.find(tx, *where, order=server_group_table.c.created_at))[offset : offset + limit]
            members = await self.servers.in_group(tx, [group.id for group in groups]) if groups else []
        return [(group, [server for server in members if server.server_group_id == group.id]) for group in groups]

    async def get(self, ctx: Context, group_id: str) -> tuple[ServerGroup, list[Server]]:
        """ServerGroupNotFound."""
        async with self.db.read() as tx:
            group = await self.store.get(tx, group_id)
            if group is None or not ctx.may_see(group.project_id):
                raise ServerGroupNotFound(group_id=group_id)
            return group, await self.servers.in_group(tx, [group_id])

    async def create(self, ctx: Context, name: str, policy: str, rules: dict[str, Any]) -> ServerGroup:
        """QuotaExceeded."""
        group = ServerGroup(
            id=str(uuid.uuid4()), project_id=ctx.project, user_id=ctx.user_id or "", name=name, policy=policy, rules=rules, created_at=now()
        )
        async with self.db.write() as tx:
            await self.quotas.check_server_groups(tx, ctx.project)
            await self.store.insert(tx, group)
        return group

    async def delete(self, ctx: Context, group_id: str) -> None:
        """Its servers stay where they are."""
        await self.get(ctx, group_id)
        async with self.db.write() as tx:
            for server in await self.servers.find(tx, server_table.c.server_group_id == group_id):
                await self.servers.update(tx, server.id, server_group_id=None)
            await self.store.delete(tx, group_id)
