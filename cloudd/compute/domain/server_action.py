"""The use cases that change a server's life: each is a state check, a record and a saga, in one transaction."""

from typing import Any

import msgspec

from cloudd.compute.domain.action import Actions
from cloudd.compute.domain.server import Servers
from cloudd.compute.domain.server_state import DELETING, ERROR, RULES
from cloudd.compute.domain.work import PowerServerParams, ServerParams
from cloudd.compute.errors import ServerBusy, ServerLocked
from cloudd.compute.messages import ConsoleOutput, agent_topic
from cloudd.compute.store.server import Server
from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.errors import Conflict
from cloudd.kit.service import Cloud

# What the API calls an action in a server's history.
_RECORDED = {"hard_reboot": "reboot", "live_migrate": "live-migration"}


class ServerActions:
    def __init__(self, cloud: Cloud, servers: Servers, actions: Actions) -> None:
        self.cloud = cloud
        self.servers = servers
        self.actions = actions

    async def check(self, tx: Transaction, ctx: Context, server_id: str, action: str) -> Server:
        """The server, held until the transaction ends, if the action may be done to it now. ServerNotFound, ServerLocked, ServerBusy."""
        rule = RULES[action]
        server = await self.servers.of(tx, ctx, server_id, lock=True)
        name = _RECORDED.get(action, action)
        if server.locked_by is not None and not ctx.is_admin:
            raise ServerLocked(server_id=server_id)
        if server.vm_state not in rule.states:
            raise ServerBusy(action=name, server_id=server_id, attribute="vm_state", state=server.vm_state)
        if server.task_state is not None and not rule.while_busy:
            raise ServerBusy(action=name, server_id=server_id, attribute="task_state", state=server.task_state)
        return server

    async def begin(self, tx: Transaction, ctx: Context, server: Server, action: str, kind: str, params: msgspec.Struct) -> str:
        """Set the task state, record the action, start the saga; its id."""
        if task := RULES[action].task:
            await self.servers.store.update(tx, server.id, task_state=task, updated_at=now())
        await self.actions.record(tx, ctx, server, _RECORDED.get(action, action))
        return await self.cloud.sagas.start(tx, kind, params, resource_id=server.id, request_id=ctx.request_id)

    async def power(self, ctx: Context, server_id: str, act: str) -> None:
        """start, stop, reboot, hard_reboot, pause, unpause, suspend, resume."""
        async with self.cloud.db.write() as tx:
            server = await self.check(tx, ctx, server_id, act)
            params = PowerServerParams(**base(server), act=act)
            await self.begin(tx, ctx, server, act, "compute.power_server", params)

    async def delete(self, ctx: Context, server_id: str) -> None:
        """Asking twice is fine."""
        async with self.cloud.db.write() as tx:
            server = await self.check(tx, ctx, server_id, "delete")
            if server.task_state == DELETING:
                return
            await self.begin(tx, ctx, server, "delete", "compute.delete_server", ServerParams(**base(server)))

    async def console_output(self, ctx: Context, server_id: str, line_count: int | None) -> str:
        """What the guest wrote to its serial console."""
        server = await self.servers.get(ctx, server_id)
        if server.host is None or (server.vm_state == ERROR and server.launched_at is None):
            raise Conflict(reason=f"Instance {server_id} is not ready")
        message = ConsoleOutput(server_id=server_id, line_count=line_count)
        text: str = await self.cloud.bus.call(agent_topic(server.host), message, timeout_seconds=30)
        return text


def base(server: Server) -> dict[str, Any]:
    """The params that every saga on a server has."""
    return {"server_id": server.id, "project_id": server.project_id, "user_id": server.user_id, "vm_state": server.vm_state}
