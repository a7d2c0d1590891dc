"""Floating IPs: taking one, pointing it at a port, giving it back."""

from __future__ import annotations

import ipaddress
from typing import Annotated
from uuid import uuid4

import msgspec
from msgspec import UNSET, UnsetType

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.network.domain.address import parse_address, random_mac
from cloudd.network.domain.allocation import FixedIpSpec
from cloudd.network.domain.port import Ports
from cloudd.network.domain.records import Ground, Records, admin_only, owner_of
from cloudd.network.domain.router import INTERFACE
from cloudd.network.errors import (
    FloatingIpNotFound,
    FloatingIpPortInUse,
    FloatingIpUnreachable,
    InvalidInput,
    NetworkNotFound,
    PortNotFound,
)
from cloudd.network.store.address import Address, address_table
from cloudd.network.store.floating_ip import FloatingIp, floating_ip_table
from cloudd.network.store.port import Port, port_table
from cloudd.network.store.router import router_table

Text = Annotated[str, msgspec.Meta(max_length=255)]
HOLDER = "network:floatingip"


class FloatingIpCreate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    floating_network_id: str
    floating_ip_address: str | UnsetType | None = UNSET
    subnet_id: str | None = None
    port_id: str | None = None
    fixed_ip_address: str | None = None
    description: Text = ""
    dns_name: str = ""
    dns_domain: str = ""
    project_id: str | None = None
    tenant_id: str | None = None


class FloatingIpUpdate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`port_id` null, or a fixed address alone, both say where it points from now on."""

    port_id: str | UnsetType | None = UNSET
    fixed_ip_address: str | UnsetType | None = UNSET
    description: Text | UnsetType = UNSET


class Target(msgspec.Struct, kw_only=True):
    """Where a floating IP points."""

    port: Port
    fixed_ip_address: str
    router_id: str


class FloatingIpDetail(msgspec.Struct, kw_only=True):
    floating_ip: FloatingIp
    port: Port | None
    tags: list[str]


class FloatingIps(Records[FloatingIp, FloatingIpDetail]):
    not_found, key = FloatingIpNotFound, "floatingip_id"

    def __init__(self, ground: Ground, ports: Ports) -> None:
        super().__init__(ground, ground.stores.floating_ips)
        self._ports = ports

    async def describe(self, tx: Transaction, records: list[FloatingIp]) -> list[FloatingIpDetail]:
        tags = await self.stores.tags.of(tx, [item.id for item in records])
        found = await self.stores.ports.find(tx, port_table.c.id.in_([item.port_id for item in records if item.port_id]))
        ports = {port.id: port for port in found}
        return [FloatingIpDetail(floating_ip=item, port=ports.get(item.port_id or ""), tags=tags[item.id]) for item in records]

    async def create(self, ctx: Context, spec: FloatingIpCreate) -> FloatingIpDetail:
        owner = owner_of(ctx, spec.project_id, spec.tenant_id)
        admin_only(ctx, floating_ip_address=spec.floating_ip_address or UNSET)

        async def work(tx: Transaction) -> FloatingIpDetail:
            network = await self.stores.networks.get(tx, spec.floating_network_id)
            if network is None or not (ctx.may_see(network.project_id) or network.external or network.shared):
                raise NetworkNotFound(network_id=spec.floating_network_id)
            if not network.external:
                reason = f"Bad floatingip request: Network {network.id} is not a valid external network."
                raise InvalidInput(reason=reason, type_name="BadRequest")
            await self.ground.quotas.reserve(tx, owner, "floatingip")
            floating = await self._take_address(tx, ctx, spec, owner)
            if spec.port_id is not None:
                target = await self._target(tx, ctx, floating, spec.port_id, spec.fixed_ip_address)
                await self._point(tx, floating, target)
            elif spec.fixed_ip_address is not None:
                raise InvalidInput(
                    reason="Bad floatingip request: fixed_ip_address cannot be specified without a port_id.", type_name="BadRequest"
                )
            return await self.detail(tx, await self.load(tx, ctx, floating.id))

        return await self.ground.write(work)

    async def _take_address(self, tx: Transaction, ctx: Context, spec: FloatingIpCreate, owner: str) -> FloatingIp:
        """A port of the service's own holds the address in the external network, so that nobody else gets it."""
        floating_id = str(uuid4())
        holder = Port(
            id=str(uuid4()),
            project_id="",
            network_id=spec.floating_network_id,
            status="N/A",
            mac_address=random_mac(self.settings.mac_prefix),
            device_id=floating_id,
            device_owner=HOLDER,
            port_security_enabled=False,
            created_at=now(),
            updated_at=now(),
        )
        wanted: list[FixedIpSpec] | None = None
        if spec.floating_ip_address or spec.subnet_id:
            wanted = [FixedIpSpec(subnet_id=spec.subnet_id, ip_address=spec.floating_ip_address or None)]
        await self._ports.store.insert(tx, holder)
        addresses = [address for address in await self._ports.allocation.give(tx, holder, wanted) if ":" not in address.ip_address]
        if not addresses:
            reason = f"Bad floatingip request: Network {spec.floating_network_id} does not contain any IPv4 subnet."
            raise InvalidInput(reason=reason, type_name="BadRequest")
        floating = FloatingIp(
            id=floating_id,
            project_id=owner,
            description=spec.description,
            floating_network_id=spec.floating_network_id,
            floating_ip_address=addresses[0].ip_address,
            holder_port_id=holder.id,
            created_at=now(),
            updated_at=now(),
        )
        await self.store.insert(tx, floating)
        return floating

    async def update(self, ctx: Context, floating_id: str, spec: FloatingIpUpdate) -> FloatingIpDetail:
        async def work(tx: Transaction) -> FloatingIpDetail:
            floating: FloatingIp = await self.own(tx, ctx, floating_id)
            if spec.description is not UNSET:
                await self.touch(tx, floating_id, description=spec.description)
            port_id = floating.port_id if spec.port_id is UNSET else spec.port_id
            if port_id is None and spec.port_id is not UNSET:
                await self._point(tx, floating, None)
            elif port_id is not None and (spec.port_id is not UNSET or spec.fixed_ip_address is not UNSET):
                fixed_ip = spec.fixed_ip_address if isinstance(spec.fixed_ip_address, str) else None
                await self._point(tx, floating, await self._target(tx, ctx, floating, port_id, fixed_ip))
            elif spec.fixed_ip_address not in (UNSET, None):
                raise InvalidInput(
                    reason="Bad floatingip request: fixed_ip_address cannot be specified without a port_id.", type_name="BadRequest"
                )
            return await self.detail(tx, await self.load(tx, ctx, floating_id))

        return await self.ground.write(work)

    async def _target(self, tx: Transaction, ctx: Context, floating: FloatingIp, port_id: str, fixed_ip: str | None) -> Target:
        port = await self.stores.ports.get(tx, port_id, lock=True)
        if port is None or not ctx.may_see(port.project_id):
            raise PortNotFound(port_id=port_id)
        address = self._fixed_address(port, (await self.stores.addresses.of_ports(tx, [port_id]))[port_id], fixed_ip)
        column = floating_ip_table.c
        where = (column.port_id == port_id, column.fixed_ip_address == address.ip_address, column.id != floating.id)
        if await self.store.count(tx, *where):
            raise FloatingIpPortInUse(
                floating_ip_address=floating.floating_ip_address,
                port_id=port_id,
                fixed_ip=address.ip_address,
                network_id=floating.floating_network_id,
            )
        router_id = await self._router_between(tx, address.subnet_id, floating.floating_network_id)
        if router_id is None:
            raise FloatingIpUnreachable(network_id=floating.floating_network_id, subnet_id=address.subnet_id, port_id=port_id)
        return Target(port=port, fixed_ip_address=address.ip_address, router_id=router_id)

    def _fixed_address(self, port: Port, addresses: list[Address], fixed_ip: str | None) -> Address:
        v4 = [address for address in addresses if isinstance(ipaddress.ip_address(address.ip_address), ipaddress.IPv4Address)]
        if fixed_ip is not None:
            wanted = str(parse_address(fixed_ip, "fixed_ip_address"))
            v4 = [address for address in v4 if address.ip_address == wanted]
            if not v4:
                reason = f"Bad floatingip request: Port {port.id} does not have fixed ip {fixed_ip}."
                raise InvalidInput(reason=reason, type_name="BadRequest")
        if not v4:
            reason = f"Bad floatingip request: Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses."
            raise InvalidInput(reason=reason, type_name="BadRequest")
        if len(v4) > 1:
            reason = f"Bad floatingip request: Port {port.id} has multiple fixed IPv4 addresses. Must provide a specific IPv4 address."
            raise InvalidInput(reason=reason, type_name="BadRequest")
        return v4[0]

    async def _router_between(self, tx: Transaction, subnet_id: str, external_network_id: str) -> str | None:
        """The router with a leg in the subnet and its gateway in the external network."""
        addresses = await self.stores.addresses.find(tx, address_table.c.subnet_id == subnet_id)
        column = port_table.c
        ids = [address.port_id for address in addresses]
        ports = await self.stores.ports.find(tx, column.id.in_(ids), column.device_owner == INTERFACE)
        where = (router_table.c.id.in_([port.device_id for port in ports]), router_table.c.gateway_network_id == external_network_id)
        routers = await self.stores.routers.find(tx, *where, order=router_table.c.created_at)
        return routers[0].id if routers else None

    async def _point(self, tx: Transaction, floating: FloatingIp, target: Target | None) -> None:
        values = {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}
        if target is not None:
            values = {
                "port_id": target.port.id,
                "fixed_ip_address": target.fixed_ip_address,
                "router_id": target.router_id,
                "status": "ACTIVE",
            }
        await self.touch(tx, floating.id, **values)
        routers = {floating.router_id, target.router_id if target else None} - {None}
        await self.ground.changes.mark(tx, "router", *(str(router_id) for router_id in routers))

    async def delete(self, ctx: Context, floating_id: str) -> None:
        async def work(tx: Transaction) -> None:
            floating: FloatingIp = await self.own(tx, ctx, floating_id)
            if floating.router_id is not None:
                await self.ground.changes.mark(tx, "router", floating.router_id)
            await self.stores.tags.replace(tx, floating_id, [])
            await self.store.delete(tx, floating_id)
            holder = await self.stores.ports.get(tx, floating.holder_port_id)
            if holder is not None:
                await self._ports.remove(tx, holder)

        await self.ground.write(work)
