"""Subnets: address ranges of networks, with what DHCP tells about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import uuid4

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.network.domain.address import IPNetwork, check_pools, default_pools, first_host, parse_address, parse_cidr, usable
from cloudd.network.domain.metadata_port import MetadataPorts
from cloudd.network.domain.records import Ground, Records, changed, owner_of
from cloudd.network.domain.subnet_pool import SubnetPools
from cloudd.network.errors import GatewayInUse, InvalidInput, NetworkNotFound, SubnetInUse, SubnetNotFound
from cloudd.network.store.address import address_table
from cloudd.network.store.filters import Where
from cloudd.network.store.network import Network, network_table
from cloudd.network.store.port import port_table
from cloudd.network.store.subnet import Subnet, subnet_table

Text = Annotated[str, msgspec.Meta(max_length=255)]
V6Mode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]
MAX_DNS_NAMESERVERS, MAX_HOST_ROUTES = 5, 20


class PoolSpec(msgspec.Struct, forbid_unknown_fields=True):
    start: str
    end: str


class RouteSpec(msgspec.Struct, forbid_unknown_fields=True):
    destination: str
    nexthop: str


class SubnetCreate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    network_id: str
    name: Text = ""
    description: Text = ""
    ip_version: Literal[4, 6] | UnsetType = UNSET
    cidr: str | None = None
    prefixlen: int | None = None
    subnetpool_id: str | None = None
    use_default_subnetpool: bool = False
    gateway_ip: str | UnsetType | None = UNSET
    enable_dhcp: bool = True
    ipv6_ra_mode: V6Mode | None = None
    ipv6_address_mode: V6Mode | None = None
    allocation_pools: list[PoolSpec] | None = None
    dns_nameservers: list[str] | None = None
    host_routes: list[RouteSpec] | None = None
    service_types: list[str] = []
    segment_id: None = None
    project_id: str | None = None
    tenant_id: str | None = None


class SubnetUpdate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    gateway_ip: str | UnsetType | None = UNSET
    enable_dhcp: bool | UnsetType = UNSET
    allocation_pools: list[PoolSpec] | UnsetType = UNSET
    dns_nameservers: list[str] | UnsetType | None = UNSET
    host_routes: list[RouteSpec] | UnsetType | None = UNSET
    service_types: list[str] | UnsetType = UNSET


class SubnetDetail(msgspec.Struct, kw_only=True):
    subnet: Subnet
    tags: list[str]


class Subnets(Records[Subnet, SubnetDetail]):
    not_found, key = SubnetNotFound, "subnet_id"

    def __init__(self, ground: Ground, pools: SubnetPools) -> None:
        super().__init__(ground, ground.stores.subnets)
        self._pools = pools
        self._metadata_ports = MetadataPorts(ground)

    def visible(self, ctx: Context) -> list[Where]:
        return visible_subnets(ctx)

    def special(self, name: str, values: Sequence[str]) -> Where | None:
        if name != "cidr":
            return None
        return subnet_table.c.cidr.in_([str(parse_cidr(value)) for value in values])

    async def describe(self, tx: Transaction, records: list[Subnet]) -> list[SubnetDetail]:
        tags = await self.stores.tags.of(tx, [subnet.id for subnet in records])
        return [SubnetDetail(subnet=subnet, tags=tags[subnet.id]) for subnet in records]

    async def create(self, ctx: Context, specs: Sequence[SubnetCreate]) -> list[SubnetDetail]:
        """All of them or none."""
        owners = [owner_of(ctx, spec.project_id, spec.tenant_id) for spec in specs]

        async def work(tx: Transaction) -> list[SubnetDetail]:
            made = [await self._create_one(tx, ctx, spec, owner) for spec, owner in zip(specs, owners, strict=True)]
            return await self.describe(tx, made)

        return await self.ground.write(work)

    async def _create_one(self, tx: Transaction, ctx: Context, spec: SubnetCreate, owner: str) -> Subnet:
        network = await self._own_network(tx, ctx, spec.network_id)
        await self.ground.quotas.reserve(tx, owner, "subnet")
        cidr, pool_id = await self._range(tx, ctx, spec)
        await self._check_overlap(tx, network, cidr)
        subnet = self._build(spec, cidr, owner)
        subnet.subnetpool_id = pool_id
        await self.store.insert(tx, subnet)
        await self._metadata_ports.keep(tx, network)
        await self.ground.changes.mark(tx, "network", network.id)
        return subnet

    async def _own_network(self, tx: Transaction, ctx: Context, network_id: str) -> Network:
        """The network, locked: ranges are compared under this lock."""
        network = await self.stores.networks.get(tx, network_id, lock=True)
        if network is None or not ctx.may_see(network.project_id):
            raise NetworkNotFound(network_id=network_id)
        return network

    async def _range(self, tx: Transaction, ctx: Context, spec: SubnetCreate) -> tuple[IPNetwork, str | None]:
        if spec.subnetpool_id or spec.use_default_subnetpool:
            return await self._pools.cut(tx, ctx, spec)
        if spec.cidr is None:
            raise InvalidInput(reason="a subnetpool must be specified in the absence of a cidr", type_name="BadRequest")
        cidr = parse_cidr(spec.cidr)
        if spec.prefixlen is not None:
            raise InvalidInput(reason="prefixlen can only be used together with a subnet pool")
        if spec.ip_version is UNSET:
            raise InvalidInput(reason="an ip_version must be specified in the absence of a subnetpool", type_name="BadRequest")
        if cidr.version != spec.ip_version:
            raise InvalidInput(reason=f"cidr '{cidr}' does not match the ip_version '{spec.ip_version}'")
        if cidr.prefixlen == 0:
            raise InvalidInput(reason="0 is not allowed as CIDR prefix length")
        return cidr, None

    async def _check_overlap(self, tx: Transaction, network: Network, cidr: IPNetwork) -> None:
        for other in await self.store.find(tx, subnet_table.c.network_id == network.id):
            known = parse_cidr(other.cidr)
            if known.version == cidr.version and known.overlaps(cidr):
                raise InvalidInput(reason=f"Requested subnet with cidr: {cidr} for network: {network.id} overlaps with another subnet.")

    def _build(self, spec: SubnetCreate, cidr: IPNetwork, owner: str) -> Subnet:
        check_v6_modes(spec, cidr)
        gateway = first_host(cidr) if spec.gateway_ip is UNSET else None
        if isinstance(spec.gateway_ip, str):
            gateway = parse_address(spec.gateway_ip, "gateway_ip")
            if gateway.version != cidr.version or (gateway in cidr and not usable(gateway, cidr)):
                raise InvalidInput(reason=f"Gateway {gateway} is not valid on subnet {cidr}.")
        pools = default_pools(cidr, gateway)
        if spec.allocation_pools is not None:
            pools = check_pools([msgspec.to_builtins(pool) for pool in spec.allocation_pools], cidr, gateway)
        return Subnet(
            id=str(uuid4()),
            project_id=owner,
            network_id=spec.network_id,
            name=spec.name,
            description=spec.description,
            ip_version=cidr.version,
            cidr=str(cidr),
            gateway_ip=str(gateway) if gateway else None,
            enable_dhcp=spec.enable_dhcp,
            ipv6_ra_mode=spec.ipv6_ra_mode,
            ipv6_address_mode=spec.ipv6_address_mode,
            allocation_pools=pools,
            dns_nameservers=check_nameservers(spec.dns_nameservers),
            host_routes=check_routes(spec.host_routes, cidr.version),
            service_types=spec.service_types,
            created_at=now(),
            updated_at=now(),
        )

    async def update(self, ctx: Context, subnet_id: str, spec: SubnetUpdate) -> SubnetDetail:
        async def work(tx: Transaction) -> SubnetDetail:
            subnet: Subnet = await self.own(tx, ctx, subnet_id)
            network = await self._own_network(tx, ctx, subnet.network_id)
            values = await self._changes(tx, subnet, spec)
            await self.touch(tx, subnet_id, **values)
            await self._metadata_ports.keep(tx, network)
            await self.ground.changes.mark(tx, "network", network.id)
            if "enable_dhcp" in values:
                await self._mark_ports(tx, subnet_id)
            return await self.detail(tx, await self.load(tx, ctx, subnet_id))

        return await self.ground.write(work)

    async def _mark_ports(self, tx: Transaction, subnet_id: str) -> None:
        """Ports refer to their subnet's DHCP options, which come and go with enable_dhcp."""
        for address in await self.stores.addresses.find(tx, address_table.c.subnet_id == subnet_id):
            await self.ground.changes.mark(tx, "port", address.port_id)

    async def _changes(self, tx: Transaction, subnet: Subnet, spec: SubnetUpdate) -> dict[str, Any]:
        values = changed(spec, "name", "description", "enable_dhcp", "service_types")
        cidr = parse_cidr(subnet.cidr)
        gateway = parse_address(subnet.gateway_ip) if subnet.gateway_ip else None
        if spec.gateway_ip is not UNSET:
            gateway = parse_address(spec.gateway_ip, "gateway_ip") if spec.gateway_ip else None
            if gateway and (gateway.version != cidr.version or (gateway in cidr and not usable(gateway, cidr))):
                raise InvalidInput(reason=f"Gateway {gateway} is not valid on subnet {cidr}.")
            await self._check_gateway_free(tx, subnet, str(gateway) if gateway else None)
            values["gateway_ip"] = str(gateway) if gateway else None
        if spec.allocation_pools is not UNSET:
            values["allocation_pools"] = check_pools([msgspec.to_builtins(pool) for pool in spec.allocation_pools], cidr, gateway)
        elif "gateway_ip" in values:
            check_pools(subnet.allocation_pools, cidr, gateway)
        if spec.dns_nameservers is not UNSET:
            values["dns_nameservers"] = check_nameservers(spec.dns_nameservers)
        if spec.host_routes is not UNSET:
            values["host_routes"] = check_routes(spec.host_routes, cidr.version)
        return values

    async def _check_gateway_free(self, tx: Transaction, subnet: Subnet, wanted: str | None) -> None:
        if subnet.gateway_ip is None or wanted == subnet.gateway_ip:
            return
        column = address_table.c
        for address in await self.stores.addresses.find(tx, column.subnet_id == subnet.id, column.ip_address == subnet.gateway_ip):
            port = await self.stores.ports.get(tx, address.port_id)
            if port is not None and port.device_owner == "network:router_interface":
                raise GatewayInUse(ip_address=subnet.gateway_ip, port_id=port.id)

    async def delete(self, ctx: Context, subnet_id: str) -> None:
        """Raises SubnetInUse while ports hold its addresses (those that hosts make themselves do not count)."""

        async def work(tx: Transaction) -> None:
            subnet: Subnet = await self.own(tx, ctx, subnet_id)
            network = await self._own_network(tx, ctx, subnet.network_id)
            addresses = await self.stores.addresses.find(tx, address_table.c.subnet_id == subnet_id)
            ports = await self.stores.ports.find(tx, port_table.c.id.in_([address.port_id for address in addresses]))
            for port in ports:
                if port.device_owner == "network:distributed":
                    continue
                if not subnet.is_auto_address or port.device_owner.startswith("network:router"):
                    raise SubnetInUse(subnet_id=subnet_id)
                await self.ground.changes.mark(tx, "port", port.id)
            await self.stores.addresses.delete_where(tx, address_table.c.subnet_id == subnet_id)
            await self.stores.tags.replace(tx, subnet_id, [])
            await self.store.delete(tx, subnet_id)
            await self._metadata_ports.keep(tx, network)
            await self.ground.changes.mark(tx, "network", network.id)

        await self.ground.write(work)


def visible_subnets(ctx: Context) -> list[Where]:
    """Own ones and those of shared networks; an external network's are its owner's business."""
    if ctx.is_admin:
        return []
    shared = sa.select(network_table.c.id).where(network_table.c.shared.is_(True))
    return [sa.or_(subnet_table.c.project_id == ctx.project_id, subnet_table.c.network_id.in_(shared))]


def check_v6_modes(spec: SubnetCreate, cidr: IPNetwork) -> None:
    modes = {mode for mode in (spec.ipv6_ra_mode, spec.ipv6_address_mode) if mode}
    if not modes:
        return
    if cidr.version != 6:
        raise InvalidInput(reason="ipv6_ra_mode and ipv6_address_mode can not be set when ip_version is 4")
    if not spec.enable_dhcp:
        raise InvalidInput(reason="ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    if len(modes) > 1:
        raise InvalidInput(
            reason=f"ipv6_ra_mode set to '{spec.ipv6_ra_mode}' with ipv6_address_mode set to '{spec.ipv6_address_mode}' is not valid"
        )
    if modes != {"dhcpv6-stateful"} and cidr.prefixlen != 64:
        reason = f"Invalid CIDR {cidr} for IPv6 address mode. Hosts make EUI-64 addresses, which requires the prefix to be /64."
        raise InvalidInput(reason=reason)


def check_nameservers(addresses: list[str] | None) -> list[str]:
    addresses = addresses or []
    if len(addresses) > MAX_DNS_NAMESERVERS:
        raise InvalidInput(reason="the number of DNS nameservers exceeds the limit", type_name="DNSNameServersExhausted")
    found = [str(parse_address(address, "dns_nameservers")) for address in addresses]
    if len(set(found)) != len(found):
        raise InvalidInput(reason="Invalid input for dns_nameservers. Reason: Duplicate nameserver.")
    return found


def check_routes(routes: list[RouteSpec] | None, ip_version: int) -> list[dict[str, str]]:
    routes = routes or []
    if len(routes) > MAX_HOST_ROUTES:
        raise InvalidInput(reason="the number of host routes exceeds the limit", type_name="HostRoutesExhausted")
    found = []
    for route in routes:
        destination, nexthop = parse_cidr(route.destination, "host_routes"), parse_address(route.nexthop, "host_routes")
        if destination.version != ip_version or nexthop.version != ip_version:
            raise InvalidInput(
                reason=f"Invalid input for host_routes. Reason: {route.destination} via {route.nexthop} is not IPv{ip_version}."
            )
        found.append({"destination": str(destination), "nexthop": str(nexthop)})
    if len({route["destination"] for route in found}) != len(found):
        raise InvalidInput(reason="Invalid input for host_routes. Reason: Duplicate hostroute.")
    return found
