"""Routers: gateway, extra routes, and what else may be changed of them. Interfaces are in router_interface.py."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Annotated, Any
from uuid import uuid4

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.network.domain.address import parse_address, parse_cidr, random_mac
from cloudd.network.domain.allocation import FixedIpSpec
from cloudd.network.domain.port import Ports
from cloudd.network.domain.records import Ground, Records, admin_only, changed, owner_of
from cloudd.network.domain.subnet import RouteSpec
from cloudd.network.errors import GatewayInUseByFloatingIp, InvalidInput, NetworkNotFound, RouterInUse, RouterNotFound
from cloudd.network.store.address import Address
from cloudd.network.store.filters import Where
from cloudd.network.store.floating_ip import floating_ip_table
from cloudd.network.store.port import Port, port_table
from cloudd.network.store.router import Router, router_table
from cloudd.network.store.subnet import Subnet, subnet_table

Text = Annotated[str, msgspec.Meta(max_length=255)]
MAX_ROUTES = 30
GATEWAY, INTERFACE = "network:router_gateway", "network:router_interface"


class GatewaySpec(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """No network (an empty object) means no gateway."""

    network_id: str | None = None
    enable_snat: bool | None = None
    external_fixed_ips: list[FixedIpSpec] | None = None
    qos_policy_id: None = None


class RouterCreate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Text = ""
    description: Text = ""
    admin_state_up: bool = True
    external_gateway_info: GatewaySpec | None = None
    availability_zone_hints: list[str] = []
    distributed: bool | UnsetType | None = UNSET
    ha: bool | UnsetType | None = UNSET
    project_id: str | None = None
    tenant_id: str | None = None


class RouterUpdate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    external_gateway_info: GatewaySpec | UnsetType | None = UNSET
    routes: list[RouteSpec] | UnsetType | None = UNSET
    distributed: bool | UnsetType | None = UNSET
    ha: bool | UnsetType | None = UNSET


class RouterDetail(msgspec.Struct, kw_only=True):
    router: Router
    gateway_addresses: list[Address]
    tags: list[str]


class Routers(Records[Router, RouterDetail]):
    not_found, key = RouterNotFound, "router_id"

    def __init__(self, ground: Ground, ports: Ports) -> None:
        super().__init__(ground, ground.stores.routers)
        self._ports = ports

    def special(self, name: str, values: Sequence[str]) -> Where | None:
        return router_table.c.gateway_network_id.in_(values) if name == "external_gateway_info.network_id" else None

    async def describe(self, tx: Transaction, records: list[Router]) -> list[RouterDetail]:
        tags = await self.stores.tags.of(tx, [router.id for router in records])
        addresses = await self.stores.addresses.of_ports(tx, [router.gateway_port_id for router in records if router.gateway_port_id])
        return [
            RouterDetail(router=router, gateway_addresses=addresses.get(router.gateway_port_id or "", []), tags=tags[router.id])
            for router in records
        ]

    async def create(self, ctx: Context, spec: RouterCreate) -> RouterDetail:
        admin_only(ctx, distributed=spec.distributed or UNSET, ha=spec.ha or UNSET)
        owner = owner_of(ctx, spec.project_id, spec.tenant_id)

        async def work(tx: Transaction) -> RouterDetail:
            await self.ground.quotas.reserve(tx, owner, "router")
            router = Router(
                id=str(uuid4()),
                project_id=owner,
                name=spec.name,
                description=spec.description,
                admin_state_up=spec.admin_state_up,
                availability_zone_hints=spec.availability_zone_hints,
                created_at=now(),
                updated_at=now(),
            )
            await self.store.insert(tx, router)
            if spec.external_gateway_info is not None:
                await self._set_gateway(tx, ctx, router, spec.external_gateway_info)
            await self.ground.changes.mark(tx, "router", router.id)
            return await self.detail(tx, await self.load(tx, ctx, router.id))

        return await self.ground.write(work)

    async def update(self, ctx: Context, router_id: str, spec: RouterUpdate) -> RouterDetail:
        async def work(tx: Transaction) -> RouterDetail:
            router: Router = await self.own(tx, ctx, router_id)
            if spec.external_gateway_info is not UNSET:
                await self._set_gateway(tx, ctx, router, spec.external_gateway_info or GatewaySpec())
            values = changed(spec, "name", "description", "admin_state_up")
            if spec.routes is not UNSET:
                values["routes"] = await self._check_routes(tx, router_id, spec.routes or [])
            await self.touch(tx, router_id, **values)
            await self.ground.changes.mark(tx, "router", router_id)
            return await self.detail(tx, await self.load(tx, ctx, router_id))

        return await self.ground.write(work)

    async def change_routes(
        self, ctx: Context, router_id: str, change: Callable[[list[dict[str, str]]], list[dict[str, str]]]
    ) -> RouterDetail:
        """Replace the extra routes by what `change` makes of them."""

        async def work(tx: Transaction) -> RouterDetail:
            router: Router = await self.own(tx, ctx, router_id)
            wanted = [RouteSpec(route["destination"], route["nexthop"]) for route in change(router.routes)]
            await self.touch(tx, router_id, routes=await self._check_routes(tx, router_id, wanted))
            await self.ground.changes.mark(tx, "router", router_id)
            return await self.detail(tx, await self.load(tx, ctx, router_id))

        return await self.ground.write(work)

    async def _check_routes(self, tx: Transaction, router_id: str, routes: Sequence[RouteSpec]) -> list[dict[str, str]]:
        """Next hops must be in a network of the router, and not the router itself."""
        if len(routes) > MAX_ROUTES:
            raise InvalidInput(reason=f"Unable to add more than {MAX_ROUTES} routes to router {router_id}.", type_name="RoutesExhausted")
        legs = await self.subnets_of(tx, router_id)
        own = {address.ip_address for address, _ in legs}
        found: list[dict[str, str]] = []
        for route in routes:
            destination, nexthop = parse_cidr(route.destination, "routes"), parse_address(route.nexthop, "routes")
            refused = f"Invalid format for routes: [{route.destination} via {route.nexthop}], "
            if not any(nexthop in ipaddress.ip_network(subnet.cidr) for _, subnet in legs):
                raise InvalidInput(reason=refused + "the nexthop is not connected with router", type_name="InvalidRoutes")
            if str(nexthop) in own:
                raise InvalidInput(reason=refused + "the nexthop is used by router", type_name="InvalidRoutes")
            item = {"destination": str(destination), "nexthop": str(nexthop)}
            if item not in found:
                found.append(item)
        return found

    async def subnets_of(self, tx: Transaction, router_id: str) -> list[tuple[Address, Subnet]]:
        """The router's addresses, each with its subnet."""
        ports = await self.stores.ports.find(tx, port_table.c.device_id == router_id, port_table.c.device_owner.in_((INTERFACE, GATEWAY)))
        held = await self.stores.addresses.of_ports(tx, [port.id for port in ports])
        addresses = [address for port in ports for address in held[port.id]]
        ids = {address.subnet_id for address in addresses}
        subnets = {subnet.id: subnet for subnet in await self.stores.subnets.find(tx, subnet_table.c.id.in_(ids))}
        return [(address, subnets[address.subnet_id]) for address in addresses if address.subnet_id in subnets]

    async def _set_gateway(self, tx: Transaction, ctx: Context, router: Router, spec: GatewaySpec) -> None:
        if spec.enable_snat is False:
            admin_only(ctx, **{"external_gateway_info:enable_snat": False})
        if spec.network_id is None:
            await self._clear_gateway(tx, router)
            return
        network = await self.stores.networks.get(tx, spec.network_id)
        if network is None or not (ctx.may_see(network.project_id) or network.external):
            raise NetworkNotFound(network_id=spec.network_id)
        if not network.external:
            raise InvalidInput(reason=f"Bad router request: Network {network.id} is not an external network.", type_name="BadRequest")
        if not ctx.may_see(network.project_id):
            admin_only(ctx, **{"external_gateway_info:external_fixed_ips": spec.external_fixed_ips or UNSET})
        values: dict[str, Any] = {} if spec.enable_snat is None else {"enable_snat": spec.enable_snat}
        if router.gateway_port_id is not None and router.gateway_network_id == network.id and not spec.external_fixed_ips:
            await self.touch(tx, router.id, **values)
            return
        await self._check_gateway_overlap(tx, router, network.id)
        if router.gateway_network_id != network.id:
            await self._clear_gateway(tx, router)
        elif router.gateway_port_id is not None:
            await self._remove_port(tx, router.gateway_port_id)
        port = Port(
            id=str(uuid4()),
            project_id="",
            network_id=network.id,
            mac_address=random_mac(self.settings.mac_prefix),
            device_id=router.id,
            device_owner=GATEWAY,
            port_security_enabled=False,
            created_at=now(),
            updated_at=now(),
        )
        await self._ports.insert(tx, ctx, port, spec.external_fixed_ips or None)
        await self.touch(tx, router.id, gateway_network_id=network.id, gateway_port_id=port.id, **values)

    async def _check_gateway_overlap(self, tx: Transaction, router: Router, network_id: str) -> None:
        outside = [parse_cidr(subnet.cidr) for subnet in await self.stores.subnets.find(tx, subnet_table.c.network_id == network_id)]
        for _, subnet in await self.subnets_of(tx, router.id):
            inside = parse_cidr(subnet.cidr)
            for known in outside:
                if subnet.network_id != network_id and known.version == inside.version and known.overlaps(inside):
                    reason = f"Bad router request: Cidr {known} of the external network overlaps with cidr {inside} of subnet {subnet.id}."
                    raise InvalidInput(reason=reason, type_name="BadRequest")

    async def _clear_gateway(self, tx: Transaction, router: Router) -> None:
        if router.gateway_port_id is None:
            return
        used = sa.and_(floating_ip_table.c.router_id == router.id, floating_ip_table.c.floating_network_id == router.gateway_network_id)
        if await self.stores.floating_ips.count(tx, used):
            raise GatewayInUseByFloatingIp(router_id=router.id, network_id=router.gateway_network_id)
        await self._remove_port(tx, router.gateway_port_id)
        await self.touch(tx, router.id, gateway_network_id=None, gateway_port_id=None, enable_snat=True)

    async def _remove_port(self, tx: Transaction, port_id: str) -> None:
        port = await self.stores.ports.get(tx, port_id)
        if port is not None:
            await self._ports.remove(tx, port)

    async def delete(self, ctx: Context, router_id: str) -> None:
        """Raises RouterInUse while it has interfaces."""

        async def work(tx: Transaction) -> None:
            router: Router = await self.own(tx, ctx, router_id)
            if await self.stores.ports.count(tx, port_table.c.device_id == router_id, port_table.c.device_owner == INTERFACE):
                raise RouterInUse(router_id=router_id)
            await self._clear_gateway(tx, router)
            await self.stores.tags.replace(tx, router_id, [])
            await self.store.delete(tx, router_id)
            await self.ground.changes.mark(tx, "router", router_id)

        await self.ground.write(work)
