"""Ports: making, changing and removing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec
import sqlalchemy as sa
from msgspec import UNSET

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.network.domain.address import parse_address, random_mac
from cloudd.network.domain.allocation import Allocation, FixedIpSpec
from cloudd.network.domain.port_spec import PortCreate, PortUpdate, check_mac, check_pairs, keep_dhcp_options, merge_dhcp_options
from cloudd.network.domain.records import Ground, Records, admin_only, changed, owner_of
from cloudd.network.domain.security_group import SecurityGroups
from cloudd.network.errors import (
    AddressPairsNeedPortSecurity,
    AdminOnly,
    InvalidInput,
    MacInUse,
    NetworkNotFound,
    PortBound,
    PortNotFound,
    PortSecurityDisabled,
    PortSecurityHasGroups,
    SecurityGroupNotFound,
    ServicePortInUse,
)
from cloudd.network.store.address import Address, address_table
from cloudd.network.store.filters import Where
from cloudd.network.store.floating_ip import floating_ip_table
from cloudd.network.store.network import Network
from cloudd.network.store.port import Port, port_group_table, port_table
from cloudd.network.store.security_group import security_group_table

#: Ports that belong to another resource of the service and are removed with it alone.
OWNED = ("network:router_interface", "network:router_gateway", "network:floatingip")
ROUTER_OWNERS = OWNED[:2]


class PortDetail(msgspec.Struct, kw_only=True):
    port: Port
    addresses: list[Address]
    group_ids: list[str]
    tags: list[str]


class Ports(Records[Port, PortDetail]):
    not_found, key = PortNotFound, "port_id"
    hidden = frozenset({"binding:host_id", "binding:profile"})
    names = {"binding:host_id": "binding_host", "binding:vnic_type": "binding_vnic_type"}

    def __init__(self, ground: Ground, groups: SecurityGroups) -> None:
        super().__init__(ground, ground.stores.ports)
        self._groups = groups
        self.allocation = Allocation(ground.stores)

    def special(self, name: str, values: Sequence[str]) -> Where | None:
        """`fixed_ips` is subnet_id=…, ip_address=… or ip_address_substr=…; several must all hold for a port."""
        if name == "fixed_ips":
            conditions = []
            for value in values:
                kind, _, text = value.partition("=")
                column = {"subnet_id": address_table.c.subnet_id, "ip_address": address_table.c.ip_address}.get(kind)
                if kind == "ip_address_substr":
                    where: Where = address_table.c.ip_address.contains(text)
                elif column is None:
                    raise InvalidInput(reason=f"Invalid input for fixed_ips. Reason: '{value}' is not subnet_id=… or ip_address=….")
                else:
                    where = column == text
                conditions.append(port_table.c.id.in_(sa.select(address_table.c.port_id).where(where)))
            return sa.and_(*conditions)
        if name in ("security_groups", "security_group_ids"):
            members = port_group_table.c
            return port_table.c.id.in_(sa.select(members.port_id).where(members.security_group_id.in_(values)))
        if name == "mac_address":
            return port_table.c.mac_address.in_([value.lower() for value in values])
        return None

    async def describe(self, tx: Transaction, records: list[Port]) -> list[PortDetail]:
        ids = [port.id for port in records]
        addresses = await self.stores.addresses.of_ports(tx, ids)
        groups = await self.stores.ports.groups_of(tx, ids)
        tags = await self.stores.tags.of(tx, ids)
        return [PortDetail(port=port, addresses=addresses[port.id], group_ids=groups[port.id], tags=tags[port.id]) for port in records]

    async def create(self, ctx: Context, specs: Sequence[PortCreate]) -> list[PortDetail]:
        """All of them or none."""
        owners = [owner_of(ctx, spec.project_id, spec.tenant_id) for spec in specs]
        for spec in specs:
            admin_only(ctx, **{"binding:host_id": spec.binding_host, "binding:profile": spec.binding_profile or UNSET})

        async def work(tx: Transaction) -> list[PortDetail]:
            made = [await self._create_one(tx, ctx, spec, owner) for spec, owner in zip(specs, owners, strict=True)]
            return await self.describe(tx, [await self.reload(tx, port) for port in made])

        return await self.ground.write(work)

    async def _create_one(self, tx: Transaction, ctx: Context, spec: PortCreate, owner: str) -> Port:
        network = await self._usable_network(tx, ctx, spec.network_id)
        self._check_foreign(ctx, network, spec)
        await self.ground.quotas.reserve(tx, owner, "port")
        security = network.port_security_enabled if spec.port_security_enabled is UNSET else spec.port_security_enabled
        mac = random_mac(self.settings.mac_prefix) if spec.mac_address in (UNSET, None) else check_mac(str(spec.mac_address))
        if spec.mac_address not in (UNSET, None) and await self.store.count(
            tx, port_table.c.network_id == network.id, port_table.c.mac_address == mac
        ):
            raise MacInUse(network_id=network.id, mac_address=mac)
        port = Port(
            id=str(uuid4()),
            project_id=owner,
            network_id=network.id,
            name=spec.name,
            description=spec.description,
            admin_state_up=spec.admin_state_up,
            mac_address=mac,
            device_id=spec.device_id,
            device_owner=spec.device_owner,
            port_security_enabled=security,
            allowed_address_pairs=check_pairs(spec.allowed_address_pairs or [], mac),
            extra_dhcp_opts=keep_dhcp_options(spec.extra_dhcp_opts or []),
            binding_host=spec.binding_host or "",
            binding_vnic_type=spec.binding_vnic_type,
            binding_profile=spec.binding_profile or {},
            created_at=now(),
            updated_at=now(),
        )
        fixed_ips = None if spec.fixed_ips is UNSET else spec.fixed_ips
        return await self.insert(tx, ctx, port, fixed_ips, spec.security_groups)

    async def insert(self, tx: Transaction, ctx: Context, port: Port, fixed_ips: Sequence[FixedIpSpec] | None, groups: Any = UNSET) -> Port:
        """Insert a port with its addresses and groups (UNSET: the project's default group)."""
        await self.store.insert(tx, port)
        await self.allocation.give(tx, port, fixed_ips)
        group_ids = await self._group_ids(tx, ctx, port, groups)
        await self.stores.ports.set_groups(tx, port.id, group_ids)
        await self.ground.changes.mark(tx, "port", port.id)
        self.ground.changes.refresh_host(tx, port.binding_host)
        return port

    async def _group_ids(self, tx: Transaction, ctx: Context, port: Port, wanted: Any) -> list[str]:
        trusted = port.device_owner.startswith("network:")
        if not port.port_security_enabled:
            if wanted not in (UNSET, None, []):
                raise PortSecurityDisabled()
            if port.allowed_address_pairs:
                raise AddressPairsNeedPortSecurity()
            return []
        if wanted is UNSET:
            return [] if trusted else [(await self._groups.default_of(tx, port.project_id)).id]
        found: list[str] = []
        for group_id in dict.fromkeys(wanted or []):
            column = security_group_table.c
            where = [] if ctx.is_admin else [column.project_id == ctx.project_id]
            if await self.stores.groups.get(tx, group_id, *where) is None:
                raise SecurityGroupNotFound(security_group_id=group_id)
            found.append(group_id)
        return found

    async def _usable_network(self, tx: Transaction, ctx: Context, network_id: str) -> Network:
        network = await self.stores.networks.get(tx, network_id)
        if network is None or not (ctx.may_see(network.project_id) or network.shared or network.external):
            raise NetworkNotFound(network_id=network_id)
        if not (ctx.may_see(network.project_id) or network.shared):
            raise AdminOnly(rule=f"rule:create_port on external network {network_id}")
        return network

    def _check_foreign(self, ctx: Context, network: Network, spec: PortCreate | PortUpdate) -> None:
        """On somebody else's shared network one takes what one is given."""
        if ctx.may_see(network.project_id):
            return
        addresses = [item.ip_address for item in (spec.fixed_ips or []) if item.ip_address] if spec.fixed_ips is not UNSET else []
        owner = spec.device_owner if isinstance(spec.device_owner, str) and spec.device_owner.startswith("network:") else UNSET
        admin_only(
            ctx,
            mac_address=spec.mac_address,
            port_security_enabled=spec.port_security_enabled,
            device_owner=owner,
            fixed_ips=addresses or UNSET,
            allowed_address_pairs=spec.allowed_address_pairs or UNSET,
        )

    async def update(self, ctx: Context, port_id: str, spec: PortUpdate) -> PortDetail:
        admin_only(ctx, **{"binding:host_id": spec.binding_host, "binding:profile": spec.binding_profile or UNSET})

        async def work(tx: Transaction) -> PortDetail:
            port: Port = await self.own(tx, ctx, port_id)
            network = await self.stores.networks.get(tx, port.network_id)
            if network is not None:
                self._check_foreign(ctx, network, spec)
            values = self._changes(port, spec)
            if "mac_address" in values:
                where = (
                    port_table.c.network_id == port.network_id,
                    port_table.c.mac_address == values["mac_address"],
                    port_table.c.id != port_id,
                )
                if await self.store.count(tx, *where):
                    raise MacInUse(network_id=port.network_id, mac_address=values["mac_address"])
            after = msgspec.structs.replace(port, **values)
            await self._update_groups(tx, ctx, after, spec)
            if spec.fixed_ips is not UNSET:
                await self._update_addresses(tx, after, spec.fixed_ips or [])
            if after.binding_host != port.binding_host:
                values["binding_destination"] = ""
            await self.touch(tx, port_id, **values)
            await self.mark_with_router(tx, after)
            await self.mark_move(tx, port, after.binding_host)
            return await self.detail(tx, await self.load(tx, ctx, port_id))

        return await self.ground.write(work)

    def _changes(self, port: Port, spec: PortUpdate) -> dict[str, Any]:
        names = ("name", "description", "admin_state_up", "device_id", "device_owner", "port_security_enabled", "binding_vnic_type")
        values = changed(spec, *names)
        if isinstance(spec.mac_address, str) and check_mac(spec.mac_address) != port.mac_address:
            if port.binding_host:
                raise PortBound(port_id=port.id, old_mac=port.mac_address, new_mac=spec.mac_address)
            values["mac_address"] = check_mac(spec.mac_address)
        if spec.allowed_address_pairs is not UNSET:
            values["allowed_address_pairs"] = check_pairs(spec.allowed_address_pairs or [], values.get("mac_address", port.mac_address))
        if spec.extra_dhcp_opts is not UNSET:
            values["extra_dhcp_opts"] = merge_dhcp_options(port.extra_dhcp_opts, spec.extra_dhcp_opts or [])
        if spec.binding_host is not UNSET:
            values["binding_host"] = spec.binding_host or ""
        if spec.binding_profile is not UNSET:
            values["binding_profile"] = spec.binding_profile or {}
        return values

    async def _update_groups(self, tx: Transaction, ctx: Context, after: Port, spec: PortUpdate) -> None:
        held = (await self.stores.ports.groups_of(tx, [after.id]))[after.id]
        if spec.security_groups is UNSET:
            if held and not after.port_security_enabled:
                raise PortSecurityHasGroups()
            if after.allowed_address_pairs and not after.port_security_enabled:
                raise AddressPairsNeedPortSecurity()
            return
        wanted = [group_id for group_id in spec.security_groups or [] if group_id not in held]
        kept = [group_id for group_id in spec.security_groups or [] if group_id in held]
        if kept and not after.port_security_enabled:
            raise PortSecurityDisabled()
        added = await self._group_ids(tx, ctx, after, wanted)
        await self.stores.ports.set_groups(tx, after.id, kept + added)

    async def _update_addresses(self, tx: Transaction, port: Port, wanted: Sequence[FixedIpSpec]) -> None:
        """Addresses that the port has already stay its own; the others are given back first."""
        held = (await self.stores.addresses.of_ports(tx, [port.id]))[port.id]
        by_text = {address.ip_address: address for address in held}
        exact: list[FixedIpSpec] = []
        named = {str(parse_address(item.ip_address)) for item in wanted if item.ip_address}
        spare: dict[str, list[Address]] = {}
        for address in held:
            if address.ip_address not in named:
                spare.setdefault(address.subnet_id, []).append(address)
        for item in wanted:
            if item.ip_address is None and spare.get(item.subnet_id or ""):
                kept = spare[item.subnet_id or ""].pop(0)
                exact.append(FixedIpSpec(subnet_id=kept.subnet_id, ip_address=kept.ip_address))
            else:
                exact.append(item)
        kept_texts = {str(parse_address(item.ip_address)) for item in exact if item.ip_address}
        lost = [address for text, address in by_text.items() if text not in kept_texts]
        await self.stores.addresses.delete_where(tx, address_table.c.port_id == port.id)
        await self.allocation.give(tx, port, exact)
        for address in lost:
            await self.release_floating_ips(tx, port.id, address.ip_address)

    async def mark_with_router(self, tx: Transaction, port: Port) -> None:
        """The engine must see the port again, and the router whose leg it is."""
        await self.ground.changes.mark(tx, "port", port.id)
        if port.device_owner in ROUTER_OWNERS:
            await self.ground.changes.mark(tx, "router", port.device_id)

    async def mark_move(self, tx: Transaction, before: Port, *hosts: str) -> None:
        """A port goes from where it was to `hosts` (its own first): all serve other networks from now on, and its floating IPs go along."""
        left = {before.binding_host, before.binding_destination} - {""}
        for host in {*left, *hosts}:
            self.ground.changes.refresh_host(tx, host)
        if before.binding_host not in hosts[:1]:
            floating = await self.stores.floating_ips.find(tx, floating_ip_table.c.port_id == before.id)
            await self.ground.changes.mark(tx, "router", *(item.router_id for item in floating if item.router_id))

    async def release_floating_ips(self, tx: Transaction, port_id: str, fixed_ip: str | None = None) -> None:
        """Floating IPs of the port (or of one address of it) point nowhere from now on."""
        column = floating_ip_table.c
        where = [column.port_id == port_id, *([column.fixed_ip_address == fixed_ip] if fixed_ip else [])]
        for floating in await self.stores.floating_ips.find(tx, *where):
            values = {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN", "updated_at": now()}
            await self.stores.floating_ips.update(tx, floating.id, revision=floating.revision + 1, **values)
            if floating.router_id:
                await self.ground.changes.mark(tx, "router", floating.router_id)

    async def delete(self, ctx: Context, port_id: str) -> None:
        """Raises ServicePortInUse for a port that belongs to a router or a floating IP."""

        async def work(tx: Transaction) -> None:
            port: Port = await self.own(tx, ctx, port_id)
            if port.device_owner in OWNED:
                raise ServicePortInUse(port_id=port_id, reason=f"has device owner {port.device_owner}.")
            await self.remove(tx, port)

        await self.ground.write(work)

    async def remove(self, tx: Transaction, port: Port) -> None:
        """Take the port and all that hangs on it out of the database."""
        await self.release_floating_ips(tx, port.id)
        await self.stores.addresses.delete_where(tx, address_table.c.port_id == port.id)
        await self.stores.ports.set_groups(tx, port.id, [])
        await self.stores.tags.replace(tx, port.id, [])
        await self.store.delete(tx, port.id)
        await self.ground.changes.mark(tx, "port", port.id)
        self.ground.changes.refresh_host(tx, port.binding_host)
