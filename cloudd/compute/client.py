"""Compute's door for the other services."""

from cloudd.compute.domain.server import Servers
from cloudd.compute.store.server import Server
from cloudd.kit.auth import Context


class ComputeClient:
    """Look-ups of servers."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    async def get(self, ctx: Context, server_id: str) -> Server:
        """ServerNotFound, also for another project's."""
        return await self._servers.get(ctx, server_id)
