"""What a running server has done, asked of its host."""

from cloudd.compute.domain.server import Servers
from cloudd.compute.domain.server_state import RUNNING
from cloudd.compute.drivers.base import Diagnostics
from cloudd.compute.errors import ServerBusy
from cloudd.compute.messages import Diagnose, agent_topic
from cloudd.compute.store.server import Server
from cloudd.kit.auth import Context
from cloudd.kit.service import Cloud

_ANSWER_SECONDS = 30


class ServerDiagnostics:
    def __init__(self, cloud: Cloud, servers: Servers) -> None:
        self.bus = cloud.bus
        self.servers = servers

    async def show(self, ctx: Context, server_id: str) -> tuple[Server, Diagnostics]:
        """ServerNotFound, ServerBusy unless it runs."""
        server = await self.servers.get(ctx, server_id)
        if server.host is None or server.power_state != RUNNING:
            raise ServerBusy(action="get_diagnostics", server_id=server_id, attribute="power_state", state=server.power_state)
        found: Diagnostics = await self.bus.call(agent_topic(server.host), Diagnose(server_id=server_id), timeout_seconds=_ANSWER_SECONDS)
        return server, found
