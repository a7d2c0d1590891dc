"""The security groups of a server: the network service's, changed on all of the server's ports together."""

from cloudd.compute.domain.server import Servers
from cloudd.compute.domain.server_action import ServerActions
from cloudd.kit.auth import Context
from cloudd.kit.service import Cloud
from cloudd.network.client import NetworkClient, SecurityGroupDetail


class ServerSecurityGroups:
    def __init__(self, cloud: Cloud, servers: Servers, server_actions: ServerActions) -> None:
        self.cloud = cloud
        self.servers = servers
        self.server_actions = server_actions

    async def list(self, ctx: Context, server_id: str) -> list[SecurityGroupDetail]:
        """With their rules; ServerNotFound."""
        await self.servers.get(ctx, server_id)
        return await self.cloud.client(NetworkClient).groups_of_server(server_id)

    async def add(self, ctx: Context, server_id: str, group: str) -> None:
        """Also while the server runs."""
        await self._check(ctx, server_id, "addSecurityGroup")
        await self.cloud.client(NetworkClient).add_group(ctx, server_id, group)

    async def remove(self, ctx: Context, server_id: str, group: str) -> None:
        """Also while the server runs."""
        await self._check(ctx, server_id, "removeSecurityGroup")
        await self.cloud.client(NetworkClient).remove_group(ctx, server_id, group)

    async def _check(self, ctx: Context, server_id: str, action: str) -> None:
        async with self.cloud.db.read() as tx:
            await self.server_actions.check(tx, ctx, server_id, action)
