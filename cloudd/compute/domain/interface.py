"""NICs plugged into and out of servers."""

import asyncio

from sqlalchemy.exc import IntegrityError

from cloudd.compute.domain.server import Servers
from cloudd.compute.domain.server_action import ServerActions, base
from cloudd.compute.domain.server_network import ServerNetwork
from cloudd.compute.domain.server_request import NicRequest
from cloudd.compute.domain.work import InterfaceParams
from cloudd.compute.errors import AttachmentNotFound, HostFailed
from cloudd.compute.store.interface import Interface, InterfaceStore
from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest, Conflict
from cloudd.kit.saga import ACTIVE_STATES, DONE
from cloudd.kit.service import Cloud
from cloudd.network.client import PortView

_POLL_SECONDS = 0.1
_ATTACH_TIMEOUT_SECONDS = 60


class Interfaces:
    def __init__(self, cloud: Cloud, servers: Servers, server_actions: ServerActions) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.servers = servers
        self.server_actions = server_actions
        self.network = ServerNetwork(cloud)
        self.store = InterfaceStore()

    async def list(self, ctx: Context, server_id: str) -> list[tuple[PortView, str | None]]:
        """The server's ports with their device tags."""
        await self.servers.get(ctx, server_id)
        async with self.db.read() as tx:
            tags = {row.id: row.tag for row in (await self.store.of(tx, [server_id]))[server_id]}
        return [(port, tags.get(port.port_id)) for port in (await self.network.views([server_id])).get(server_id, [])]

    async def get(self, ctx: Context, server_id: str, port_id: str) -> tuple[PortView, str | None]:
        """AttachmentNotFound."""
        for port, tag in await self.list(ctx, server_id):
            if port.port_id == port_id:
                return port, tag
        raise AttachmentNotFound(server_id=server_id, what="port", key=port_id)

    async def attach(self, ctx: Context, server_id: str, nic: NicRequest) -> tuple[PortView, str | None]:
        """Returns once the NIC is plugged in, for the answer tells its addresses."""
        server = await self.servers.get(ctx, server_id)
        plans = await self.network.plan(ctx, [nic] if nic.port_id or nic.network_id else "auto", None, server_id=server_id)
        if len(plans) != 1:
            raise BadRequest(reason="Name the network or port to attach.")
        (row,) = plans
        row.tag = nic.tag
        try:
            async with self.db.write() as tx:
                server = await self.server_actions.check(tx, ctx, server_id, "attach_interface")
                present = (await self.store.of(tx, [server_id]))[server_id]
                row.position = max((other.position for other in present), default=-1) + 1
                await self.store.insert(tx, row)
                params = InterfaceParams(**base(server), port_id=row.id)
                saga_id = await self.server_actions.begin(tx, ctx, server, "attach_interface", "compute.attach_interface", params)
        except IntegrityError:
            raise Conflict(reason=f"Port {row.id} is still in use.") from None
        await self._finished(saga_id, row)
        return await self.get(ctx, server_id, row.id)

    async def add_address(self, ctx: Context, server_id: str, network_id: str) -> None:
        """Another address for the NIC in that network; the guest asks for it, or is told it."""
        await self._check(ctx, server_id)
        await self.network.network.add_address(ctx, server_id, network_id)

    async def remove_address(self, ctx: Context, server_id: str, address: str) -> None:
        """The NIC that has the address gives it back."""
        await self._check(ctx, server_id)
        await self.network.network.remove_address(ctx, server_id, address)

    async def _check(self, ctx: Context, server_id: str) -> None:
        async with self.db.read() as tx:
            await self.server_actions.check(tx, ctx, server_id, "attach_interface")

    async def _finished(self, saga_id: str, row: Interface) -> None:
        async with asyncio.timeout(_ATTACH_TIMEOUT_SECONDS):
            while True:
                async with self.db.read() as tx:
                    saga = await self.cloud.sagas.store.get(tx, saga_id)
                if saga is None or saga.state == DONE:
                    return
                if saga.state not in ACTIVE_STATES:
                    raise HostFailed(reason=(saga.error or {}).get("text") or f"Port {row.id} could not be attached.")
                await asyncio.sleep(_POLL_SECONDS)

    async def detach(self, ctx: Context, server_id: str, port_id: str) -> None:
        """The work goes on after this."""
        async with self.db.write() as tx:
            server = await self.server_actions.check(tx, ctx, server_id, "detach_interface")
            row = await self.store.of_server(tx, server_id, port_id)
            if row is None:
                raise AttachmentNotFound(server_id=server_id, what="port", key=port_id)
            params = InterfaceParams(**base(server), port_id=port_id)
            await self.server_actions.begin(tx, ctx, server, "detach_interface", "compute.detach_interface", params)
