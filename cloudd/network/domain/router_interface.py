"""Router interfaces: a router's legs in tenant networks."""

from __future__ import annotations

from uuid import uuid4

import msgspec

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.network.domain.address import parse_address, parse_cidr, random_mac
from cloudd.network.domain.allocation import FixedIpSpec
from cloudd.network.domain.port import Ports
from cloudd.network.domain.records import Ground
from cloudd.network.domain.router import INTERFACE, Routers
from cloudd.network.domain.subnet import visible_subnets
from cloudd.network.errors import (
    InvalidInput,
    PortInUse,
    PortNotFound,
    RouterInterfaceInUse,
    RouterInterfaceInUseByRoute,
    RouterInterfaceNotFound,
    RouterInterfaceNotFoundForSubnet,
    SubnetNotFound,
)
from cloudd.network.store.address import address_table
from cloudd.network.store.floating_ip import floating_ip_table
from cloudd.network.store.port import Port, port_table
from cloudd.network.store.router import Router
from cloudd.network.store.subnet import Subnet


class InterfaceSpec(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One of the two; removal takes both when they fit each other."""

    subnet_id: str | None = None
    port_id: str | None = None


class Interface(msgspec.Struct, kw_only=True):
    router: Router
    port: Port
    subnet_ids: list[str]
    tags: list[str]


class RouterInterfaces:
    def __init__(self, ground: Ground, routers: Routers, ports: Ports) -> None:
        self._ground = ground
        self._stores = ground.stores
        self._routers = routers
        self._ports = ports

    async def add(self, ctx: Context, router_id: str, spec: InterfaceSpec) -> Interface:
        if (spec.subnet_id is None) == (spec.port_id is None):
            text = "Cannot specify both subnet-id and port-id" if spec.port_id else "Either subnet_id or port_id must be specified"
            raise InvalidInput(reason=f"Bad router request: {text}.", type_name="BadRequest")

        async def work(tx: Transaction) -> Interface:
            router: Router = await self._routers.own(tx, ctx, router_id)
            if spec.port_id is not None:
                port, subnets = await self._take_port(tx, ctx, router, spec.port_id)
            else:
                port, subnets = await self._make_port(tx, ctx, router, str(spec.subnet_id))
            await self._routers.touch(tx, router_id)
            await self._ground.changes.mark(tx, "port", port.id)
            await self._ground.changes.mark(tx, "router", router_id)
            return Interface(router=router, port=port, subnet_ids=[subnet.id for subnet in subnets], tags=[])

        return await self._ground.write(work)

    async def _take_port(self, tx: Transaction, ctx: Context, router: Router, port_id: str) -> tuple[Port, list[Subnet]]:
        port = await self._stores.ports.get(tx, port_id, lock=True)
        if port is None or not ctx.may_see(port.project_id):
            raise PortNotFound(port_id=port_id)
        if port.device_id:
            raise PortInUse(port_id=port_id, network_id=port.network_id, device_id=port.device_id)
        addresses = (await self._stores.addresses.of_ports(tx, [port_id]))[port_id]
        if not addresses:
            raise InvalidInput(reason="Bad router request: Router port must have at least one fixed IP.", type_name="BadRequest")
        subnets = [await self._subnet(tx, ctx, address.subnet_id) for address in addresses]
        if len([subnet for subnet in subnets if subnet.ip_version == 4]) > 1:
            raise InvalidInput(reason="Bad router request: Cannot have multiple IPv4 subnets on router port.", type_name="BadRequest")
        await self._check_overlap(tx, router, subnets)
        values = {"device_id": router.id, "device_owner": INTERFACE, "port_security_enabled": False}
        await self._stores.ports.set_groups(tx, port_id, [])
        await self._ports.touch(tx, port_id, **values)
        return msgspec.structs.replace(port, **values), subnets

    async def _make_port(self, tx: Transaction, ctx: Context, router: Router, subnet_id: str) -> tuple[Port, list[Subnet]]:
        subnet = await self._subnet(tx, ctx, subnet_id)
        if subnet.gateway_ip is None:
            raise InvalidInput(
                reason=f"Bad router request: Subnet for router interface must have a gateway IP: {subnet_id}.", type_name="BadRequest"
            )
        await self._check_overlap(tx, router, [subnet])
        await self._ground.quotas.reserve(tx, router.project_id, "port")
        port = Port(
            id=str(uuid4()),
            project_id=router.project_id,
            network_id=subnet.network_id,
            mac_address=random_mac(self._ground.settings.mac_prefix),
            device_id=router.id,
            device_owner=INTERFACE,
            port_security_enabled=False,
            created_at=now(),
            updated_at=now(),
        )
        await self._ports.insert(tx, ctx, port, [FixedIpSpec(subnet_id=subnet_id, ip_address=subnet.gateway_ip)])
        return port, [subnet]

    async def _subnet(self, tx: Transaction, ctx: Context, subnet_id: str) -> Subnet:
        subnet = await self._stores.subnets.get(tx, subnet_id, *visible_subnets(ctx))
        if subnet is None:
            raise SubnetNotFound(subnet_id=subnet_id)
        return subnet

    async def _check_overlap(self, tx: Transaction, router: Router, subnets: list[Subnet]) -> None:
        for _, known in await self._routers.subnets_of(tx, router.id):
            for subnet in subnets:
                if known.id == subnet.id:
                    reason = f"Bad router request: Router already has a port on subnet {subnet.id}."
                    raise InvalidInput(reason=reason, type_name="BadRequest")
                one, other = parse_cidr(known.cidr), parse_cidr(subnet.cidr)
                if one.version == other.version and one.overlaps(other):
                    reason = f"Bad router request: Cidr {other} of subnet {subnet.id} overlaps with cidr {one} of subnet {known.id}."
                    raise InvalidInput(reason=reason, type_name="BadRequest")

    async def remove(self, ctx: Context, router_id: str, spec: InterfaceSpec) -> Interface:
        if spec.subnet_id is None and spec.port_id is None:
            raise InvalidInput(reason="Bad router request: Either subnet_id or port_id must be specified.", type_name="BadRequest")

        async def work(tx: Transaction) -> Interface:
            router: Router = await self._routers.own(tx, ctx, router_id)
            port = await self._find(tx, router_id, spec)
            addresses = (await self._stores.addresses.of_ports(tx, [port.id]))[port.id]
            for address in addresses:
                await self._check_unused(tx, router, address.subnet_id)
            await self._ports.remove(tx, port)
            await self._routers.touch(tx, router_id)
            await self._ground.changes.mark(tx, "router", router_id)
            return Interface(router=router, port=port, subnet_ids=[address.subnet_id for address in addresses], tags=[])

        return await self._ground.write(work)

    async def _find(self, tx: Transaction, router_id: str, spec: InterfaceSpec) -> Port:
        column = port_table.c
        ports = await self._stores.ports.find(tx, column.device_id == router_id, column.device_owner == INTERFACE)
        if spec.port_id is not None:
            ports = [port for port in ports if port.id == spec.port_id]
            if not ports:
                raise RouterInterfaceNotFound(router_id=router_id, port_id=spec.port_id)
        if spec.subnet_id is not None:
            if await self._stores.subnets.get(tx, spec.subnet_id) is None:
                raise SubnetNotFound(subnet_id=spec.subnet_id)
            held = await self._stores.addresses.of_ports(tx, [port.id for port in ports])
            ports = [port for port in ports if any(address.subnet_id == spec.subnet_id for address in held[port.id])]
            if not ports:
                raise RouterInterfaceNotFoundForSubnet(router_id=router_id, subnet_id=spec.subnet_id)
        return ports[0]

    async def _check_unused(self, tx: Transaction, router: Router, subnet_id: str) -> None:
        subnet = await self._stores.subnets.get(tx, subnet_id)
        if subnet is None:
            return
        cidr = parse_cidr(subnet.cidr)
        if any(parse_address(route["nexthop"]) in cidr for route in router.routes):
            raise RouterInterfaceInUseByRoute(subnet_id=subnet_id, router_id=router.id)
        for floating in await self._stores.floating_ips.find(tx, floating_ip_table.c.router_id == router.id):
            where = (address_table.c.port_id == floating.port_id, address_table.c.ip_address == floating.fixed_ip_address)
            if any(address.subnet_id == subnet_id for address in await self._stores.addresses.find(tx, *where)):
                raise RouterInterfaceInUse(subnet_id=subnet_id, router_id=router.id)
