"""A server's NICs, by way of the network service."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from cloudd.compute.domain.server_request import NicRequest
from cloudd.compute.store.interface import Interface
from cloudd.compute.store.server import Server
from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest, Condition
from cloudd.kit.service import Cloud
from cloudd.network.client import NetworkClient, NetworkRequest, PortPlan, PortView


class ServerNetwork:
    """Plans, makes and removes ports; the network service's shapes stay in here and in the views."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    @property
    def network(self) -> NetworkClient:
        return self.cloud.client(NetworkClient)

    async def plan(
        self,
        ctx: Context,
        nics: Sequence[NicRequest] | Literal["auto", "none"] | None,
        security_groups: list[str] | None,
        *,
        server_id: str,
        first_position: int = 0,
    ) -> list[Interface]:
        """Rows for the ports that the user asks for; BadRequest where upstream says 400 for something that is not there."""
        requests = (
            nics
            if nics is None or isinstance(nics, str)
            else [NetworkRequest(network_id=nic.network_id, port_id=nic.port_id, fixed_ip=nic.fixed_ip, tag=nic.tag) for nic in nics]
        )
        try:
            plans = await self.network.resolve_requests(ctx, requests, security_groups)
        except Condition as error:
            if error.status == 404:
                raise BadRequest(reason=error.text) from error
            raise
        tags = [nic.tag for nic in nics] if isinstance(nics, Sequence) and not isinstance(nics, str) else []
        return [
            Interface(
                id=plan.port_id,
                server_id=server_id,
                position=first_position + position,
                network_id=plan.network_id,
                mac_address=plan.mac_address,
                plan=msgspec.to_builtins(plan),
                make_port=not plan.is_own,
                tag=tags[position] if position < len(tags) else None,
            )
            for position, plan in enumerate(plans)
        ]

    async def make(self, interface: Interface, server: Server, host: str) -> PortView:
        """The port is there and bound to the host afterwards."""
        plan = msgspec.convert(interface.plan, PortPlan)
        return await self.network.create_port(plan, server.id, host, server.availability_zone or "nova")

    async def bind(self, interface: Interface, server: Server, host: str) -> PortView:
        """The port is (still) the server's, on that host."""
        return await self.network.bind_port(interface.id, server.id, host)

    async def begin_migration(self, interfaces: Sequence[Interface], destination: str) -> None:
        """The ports work on both hosts for a while."""
        if interfaces:
            await self.network.begin_migration([interface.id for interface in interfaces], destination)

    async def finish_migration(self, interfaces: Sequence[Interface], host: str) -> None:
        """The guest has arrived: its ports are on that host alone."""
        if interfaces:
            await self.network.finish_migration([interface.id for interface in interfaces], host)

    async def abort_migration(self, interfaces: Sequence[Interface], source: str) -> None:
        """The guest stays: its ports are on the source alone."""
        if interfaces:
            await self.network.abort_migration([interface.id for interface in interfaces], source)

    async def remove(self, interface: Interface) -> None:
        """The port goes with its server, or is given back to its maker."""
        if interface.make_port:
            await self.network.delete_port(interface.id)
        else:
            await self.network.unbind_port(interface.id)

    async def views(self, server_ids: Sequence[str]) -> dict[str, list[PortView]]:
        """The ports of servers as they are now."""
        return await self.network.ports_of(server_ids)

    async def security_groups(self, ports: dict[str, list[PortView]]) -> dict[str, list[str]]:
        """Server id to the names of the security groups of its ports."""
        groups = await self.network.security_groups_of([port.port_id for views in ports.values() for port in views])
        return {server_id: sorted({name for port in views for name in groups.get(port.port_id, [])}) for server_id, views in ports.items()}
