"""Ports of servers: what compute asks of the network through its door."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal
from uuid import UUID, uuid4

import msgspec
import sqlalchemy as sa
from msgspec import UNSET

from cloudd.kit.auth import Context, system_context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.network.domain.address import parse_address, random_mac
from cloudd.network.domain.allocation import FixedIpSpec
from cloudd.network.domain.port import Ports
from cloudd.network.domain.records import Ground
from cloudd.network.domain.security_group import DEFAULT_NAME, SecurityGroups
from cloudd.network.errors import (
    AddressInUse,
    ExternalNetworkForbidden,
    InvalidInput,
    NetworkAmbiguous,
    NetworkNotFound,
    NetworkRequiresSubnet,
    PortInUse,
    PortNotFound,
    SecurityGroupAmbiguous,
    SecurityGroupNotFound,
)
from cloudd.network.store.address import address_table
from cloudd.network.store.floating_ip import floating_ip_table
from cloudd.network.store.network import Network, network_table
from cloudd.network.store.port import Port, port_table
from cloudd.network.store.security_group import security_group_table
from cloudd.network.store.subnet import subnet_table


class NetworkRequest(msgspec.Struct, kw_only=True):
    """One of a server's `networks`: a network, with or without an address in it, or a port that exists."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


class PortPlan(msgspec.Struct, kw_only=True):
    """A port to be made for a server (or the user's own to be taken over): JSON-safe, so that a saga can carry it."""

    port_id: str
    network_id: str
    mac_address: str
    project_id: str
    is_own: bool = False
    """The user's own port: unbind it when the server goes, do not delete it."""
    fixed_ip: str | None = None
    security_group_ids: list[str] = []
    tag: str | None = None


class FixedAddress(msgspec.Struct, kw_only=True):
    subnet_id: str
    ip_address: str
    ip_version: int
    prefix_length: int
    gateway_ip: str | None = None
    dns_nameservers: list[str] = []
    enable_dhcp: bool = True


class Vif(msgspec.Struct, kw_only=True):
    """How a hypervisor plugs the port: the interface's external_ids:iface-id is the port's id."""

    type: Literal["ovs"] = "ovs"
    bridge: str = "br-int"


class PortView(msgspec.Struct, kw_only=True):
    port_id: str
    name: str
    network_id: str
    network_name: str
    project_id: str
    device_id: str
    mac_address: str
    fixed_ips: list[FixedAddress]
    floating_ips: dict[str, str]
    """fixed address to floating address"""
    mtu: int
    status: str
    host: str
    vif: Vif
    security_group_ids: list[str] = []


class Attachments:
    def __init__(self, ground: Ground, ports: Ports, groups: SecurityGroups) -> None:
        self._ground = ground
        self._stores = ground.stores
        self._ports = ports
        self._groups = groups

    async def resolve_requests(
        self, ctx: Context, requests: Sequence[NetworkRequest] | Literal["auto", "none"] | None, security_groups: Sequence[str] | None
    ) -> list[PortPlan]:
        if requests == "none":
            return []
        await self._groups.ensure_default(ctx.project)
        async with self._ground.cloud.db.read() as tx:
            group_ids = await self.group_ids(tx, ctx, security_groups or [DEFAULT_NAME])
            if requests is None or requests == "auto" or len(requests) == 0:
                network = await self._only_network(tx, ctx, required=requests == "auto")
                return [self._plan(ctx, network, NetworkRequest(), group_ids)] if network else []
            plans: list[PortPlan] = []
            for request in requests:
                if isinstance(request, str):
                    raise InvalidInput(reason=f"Unknown network request {request!r}.")
                if request.port_id is not None:
                    plans.append(await self._own_port(tx, ctx, request, {plan.port_id for plan in plans}))
                else:
                    plans.append(await self._new_port(tx, ctx, request, group_ids))
            return plans

    async def _only_network(self, tx: Transaction, ctx: Context, *, required: bool) -> Network | None:
        """The one network that the project can mean when it names none: its own with subnets, or else a shared one."""
        column = network_table.c
        with_subnets = column.id.in_(sa.select(subnet_table.c.network_id))
        found = await self._stores.networks.find(tx, column.project_id == ctx.project_id, column.external.is_(False), with_subnets)
        found = found or await self._stores.networks.find(tx, column.shared.is_(True), column.external.is_(False), with_subnets)
        if len(found) > 1:
            raise NetworkAmbiguous()
        if not found and required:
            raise InvalidInput(reason="Unable to automatically allocate a network for project " + ctx.project)
        return found[0] if found else None

    async def _new_port(self, tx: Transaction, ctx: Context, request: NetworkRequest, group_ids: list[str]) -> PortPlan:
        network = await self._stores.networks.get(tx, request.network_id or "")
        if network is None or not (ctx.may_see(network.project_id) or network.shared or network.external):
            raise NetworkNotFound(network_id=request.network_id)
        if network.external and not (network.shared or ctx.is_admin):
            raise ExternalNetworkForbidden(network_id=network.id)
        subnets = await self._stores.subnets.find(tx, subnet_table.c.network_id == network.id)
        if not subnets:
            raise NetworkRequiresSubnet(network_id=network.id)
        if request.fixed_ip is not None:
            address = str(parse_address(request.fixed_ip, "fixed_ip"))
            if await self._stores.addresses.count(tx, address_table.c.network_id == network.id, address_table.c.ip_address == address):
                raise AddressInUse(network_id=network.id, ip_address=address)
        return self._plan(ctx, network, request, group_ids if network.port_security_enabled else [])

    def _plan(self, ctx: Context, network: Network, request: NetworkRequest, group_ids: list[str]) -> PortPlan:
        return PortPlan(
            port_id=str(uuid4()),
            network_id=network.id,
            mac_address=random_mac(self._ground.settings.mac_prefix),
            project_id=ctx.project,
            fixed_ip=request.fixed_ip,
            security_group_ids=group_ids,
            tag=request.tag,
        )

    async def _own_port(self, tx: Transaction, ctx: Context, request: NetworkRequest, planned: set[str]) -> PortPlan:
        port = await self._stores.ports.get(tx, request.port_id or "")
        if port is None or not ctx.may_see(port.project_id):
            raise PortNotFound(port_id=request.port_id)
        if port.device_id or port.id in planned:
            raise PortInUse(port_id=port.id, network_id=port.network_id, device_id=port.device_id)
        return PortPlan(
            port_id=port.id,
            network_id=port.network_id,
            mac_address=port.mac_address,
            project_id=port.project_id,
            is_own=True,
            tag=request.tag,
        )

    async def group_ids(self, tx: Transaction, ctx: Context, wanted: Sequence[str]) -> list[str]:
        """Groups by id or by name, within the project."""
        column = security_group_table.c
        found: list[str] = []
        for word in dict.fromkeys(wanted):
            same = column.id == word if is_uuid(word) else column.name == word
            groups = await self._stores.groups.find(tx, same, column.project_id == ctx.project)
            if not groups:
                raise SecurityGroupNotFound(security_group_id=word)
            if len(groups) > 1:
                raise SecurityGroupAmbiguous(name=word)
            found.append(groups[0].id)
        return found

    async def create_port(self, plan: PortPlan, device_id: str, host: str, availability_zone: str) -> PortView:
        """Raises what making a port raises: QuotaExceeded, AddressInUse, AddressesExhausted, NetworkNotFound."""
        ctx = system_context(project_id=plan.project_id)

        async def work(tx: Transaction) -> None:
            held = await self._stores.ports.get(tx, plan.port_id, lock=True)
            owner = f"compute:{availability_zone}"
            if held is not None:
                await self._take(tx, held, device_id, owner, host)
                return
            if plan.is_own:
                raise PortNotFound(port_id=plan.port_id)
            network = await self._stores.networks.get(tx, plan.network_id)
            if network is None:
                raise NetworkNotFound(network_id=plan.network_id)
            await self._ground.quotas.reserve(tx, plan.project_id, "port")
            port = Port(
                id=plan.port_id,
                project_id=plan.project_id,
                network_id=plan.network_id,
                mac_address=plan.mac_address,
                device_id=device_id,
                device_owner=owner,
                port_security_enabled=network.port_security_enabled,
                binding_host=host,
                created_at=now(),
                updated_at=now(),
            )
            fixed = [FixedIpSpec(ip_address=plan.fixed_ip)] if plan.fixed_ip else None
            groups = plan.security_group_ids if network.port_security_enabled else UNSET
            await self._ports.insert(tx, ctx, port, fixed, groups)

        await self._ground.write(work)
        return await self.port(ctx, plan.port_id)

    async def _take(self, tx: Transaction, port: Port, device_id: str, owner: str, host: str) -> None:
        if port.device_id not in ("", device_id):
            raise PortInUse(port_id=port.id, network_id=port.network_id, device_id=port.device_id)
        if (port.device_id, port.device_owner, port.binding_host, port.binding_destination) == (device_id, owner, host, ""):
            return
        await self._ports.touch(tx, port.id, device_id=device_id, device_owner=owner, binding_host=host, binding_destination="")
        await self._ground.changes.mark(tx, "port", port.id)
        await self._ports.mark_move(tx, port, host)

    async def bind_port(self, port_id: str, device_id: str, host: str) -> PortView:
        async def work(tx: Transaction) -> None:
            port = await self._stores.ports.get(tx, port_id, lock=True)
            if port is None:
                raise PortNotFound(port_id=port_id)
            owner = port.device_owner if port.device_owner.startswith("compute:") else "compute:nova"
            await self._take(tx, port, device_id, owner, host)

        await self._ground.write(work)
        return await self.port(system_context(), port_id)

    async def unbind_port(self, port_id: str) -> None:
        async def work(tx: Transaction) -> None:
            port = await self._stores.ports.get(tx, port_id, lock=True)
            if port is None or not (port.device_id or port.binding_host):
                return
            unbound = {"binding_host": "", "binding_destination": "", "binding_profile": {}, "status": "DOWN"}
            await self._ports.touch(tx, port_id, device_id="", device_owner="", **unbound)
            await self._ground.changes.mark(tx, "port", port_id)
            await self._ports.mark_move(tx, port)

        await self._ground.write(work)

    async def delete_port(self, port_id: str) -> None:
        async def work(tx: Transaction) -> None:
            port = await self._stores.ports.get(tx, port_id, lock=True)
            if port is not None:
                await self._ports.remove(tx, port)

        await self._ground.write(work)

    async def ports_of(self, device_ids: Collection[str]) -> dict[str, list[PortView]]:
        found: dict[str, list[PortView]] = {device_id: [] for device_id in device_ids}
        async with self._ground.cloud.db.read() as tx:
            ports = await self._stores.ports.find(tx, port_table.c.device_id.in_(device_ids), order=port_table.c.created_at)
            for view in await self._views(tx, ports):
                found[view.device_id].append(view)
        return found

    async def port(self, ctx: Context, port_id: str) -> PortView:
        async with self._ground.cloud.db.read() as tx:
            port = await self._stores.ports.get(tx, port_id)
            if port is None or not ctx.may_see(port.project_id):
                raise PortNotFound(port_id=port_id)
            return (await self._views(tx, [port]))[0]

    async def port_at(self, network_id: str, address: str) -> PortView | None:
        async with self._ground.cloud.db.read() as tx:
            where = (address_table.c.network_id == network_id, address_table.c.ip_address == address)
            found = await self._stores.addresses.find(tx, *where)
            ports = await self._stores.ports.find(tx, port_table.c.id.in_([item.port_id for item in found]))
            views = await self._views(tx, ports)
            return views[0] if views else None

    async def security_groups_of(self, port_ids: Collection[str]) -> dict[str, list[str]]:
        async with self._ground.cloud.db.read() as tx:
            held = await self._stores.ports.groups_of(tx, port_ids)
            ids = {group_id for group_ids in held.values() for group_id in group_ids}
            names = {group.id: group.name for group in await self._stores.groups.find(tx, security_group_table.c.id.in_(ids))}
        return {port_id: [names[group_id] for group_id in group_ids if group_id in names] for port_id, group_ids in held.items()}

    async def _views(self, tx: Transaction, ports: list[Port]) -> list[PortView]:
        ids = [port.id for port in ports]
        addresses = await self._stores.addresses.of_ports(tx, ids)
        groups = await self._stores.ports.groups_of(tx, ids)
        networks = {
            item.id: item for item in await self._stores.networks.find(tx, network_table.c.id.in_({port.network_id for port in ports}))
        }
        subnet_ids = {address.subnet_id for held in addresses.values() for address in held}
        subnets = {item.id: item for item in await self._stores.subnets.find(tx, subnet_table.c.id.in_(subnet_ids))}
        floating: dict[str, dict[str, str]] = {port_id: {} for port_id in ids}
        for item in await self._stores.floating_ips.find(tx, floating_ip_table.c.port_id.in_(ids)):
            floating[item.port_id or ""][item.fixed_ip_address or ""] = item.floating_ip_address
        return [
            PortView(
                port_id=port.id,
                name=port.name,
                network_id=port.network_id,
                network_name=networks[port.network_id].name,
                project_id=port.project_id,
                device_id=port.device_id,
                mac_address=port.mac_address,
                mtu=networks[port.network_id].mtu,
                status=port.status,
                host=port.binding_host,
                vif=Vif(bridge=self._ground.settings.integration_bridge),
                security_group_ids=groups[port.id],
                floating_ips=floating[port.id],
                fixed_ips=[
                    FixedAddress(
                        subnet_id=address.subnet_id,
                        ip_address=address.ip_address,
                        ip_version=subnets[address.subnet_id].ip_version,
                        prefix_length=int(subnets[address.subnet_id].cidr.partition("/")[2]),
                        gateway_ip=subnets[address.subnet_id].gateway_ip,
                        dns_nameservers=subnets[address.subnet_id].dns_nameservers,
                        enable_dhcp=subnets[address.subnet_id].enable_dhcp,
                    )
                    for address in addresses[port.id]
                    if address.subnet_id in subnets
                ],
            )
            for port in ports
            if port.network_id in networks
        ]


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
