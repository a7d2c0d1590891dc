"""Networks: making, changing and removing them, and who may see them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated
from uuid import uuid4

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType, field

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.network.domain.records import Ground, Records, admin_only, changed, owner_of
from cloudd.network.errors import (
    ExternalNetworkInUse,
    InvalidInput,
    NetworkInUse,
    NetworkNotFound,
    NoVlanLeft,
    SegmentInUse,
    SharedNetworkInUse,
)
from cloudd.network.store.address import address_table
from cloudd.network.store.filters import Where, boolean
from cloudd.network.store.floating_ip import floating_ip_table
from cloudd.network.store.network import Network, network_table
from cloudd.network.store.port import port_table
from cloudd.network.store.router import router_table
from cloudd.network.store.subnet import subnet_table

Text = Annotated[str, msgspec.Meta(max_length=255)]
BRIDGED = ("flat", "vlan")
TUNNELLED = ("geneve", "vxlan")
#: Ports that a network's removal takes along.
AUTO_DELETED = ("network:distributed", "network:dhcp")
MAX_SEGMENT = 2**24 - 1
MIN_MTU, MIN_MTU_V6 = 68, 1280


class NetworkCreate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Text = ""
    description: Text = ""
    admin_state_up: bool = True
    shared: bool | UnsetType = UNSET
    external: bool | UnsetType = field(name="router:external", default=UNSET)
    is_default: bool | UnsetType = UNSET
    mtu: int | None = None
    port_security_enabled: bool = True
    availability_zone_hints: list[str] = []
    network_type: str | UnsetType | None = field(name="provider:network_type", default=UNSET)
    physical_network: str | UnsetType | None = field(name="provider:physical_network", default=UNSET)
    segmentation_id: int | UnsetType | None = field(name="provider:segmentation_id", default=UNSET)
    project_id: str | None = None
    tenant_id: str | None = None


class NetworkUpdate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    external: bool | UnsetType = field(name="router:external", default=UNSET)
    is_default: bool | UnsetType = UNSET
    mtu: int | UnsetType = UNSET
    port_security_enabled: bool | UnsetType = UNSET


class NetworkDetail(msgspec.Struct, kw_only=True):
    network: Network
    subnet_ids: list[str]
    tags: list[str]


class Networks(Records[Network, NetworkDetail]):
    not_found, key = NetworkNotFound, "network_id"
    hidden = frozenset({"provider:network_type", "provider:physical_network", "provider:segmentation_id"})
    names = {
        "router:external": "external",
        "provider:network_type": "network_type",
        "provider:physical_network": "physical_network",
        "provider:segmentation_id": "segmentation_id",
    }

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground, ground.stores.networks)

    def visible(self, ctx: Context) -> list[Where]:
        column = network_table.c
        return [] if ctx.is_admin else [sa.or_(column.project_id == ctx.project_id, column.shared.is_(True), column.external.is_(True))]

    def special(self, name: str, values: Sequence[str]) -> Where | None:
        if name == "is_default" and not boolean(name, values[0]):
            return network_table.c.is_default.is_(False)
        return None

    async def describe(self, tx: Transaction, records: list[Network]) -> list[NetworkDetail]:
        ids = [network.id for network in records]
        subnets: dict[str, list[str]] = {network_id: [] for network_id in ids}
        for subnet in await self.stores.subnets.find(tx, subnet_table.c.network_id.in_(ids), order=subnet_table.c.created_at):
            subnets[subnet.network_id].append(subnet.id)
        tags = await self.stores.tags.of(tx, ids)
        return [NetworkDetail(network=item, subnet_ids=subnets[item.id], tags=tags[item.id]) for item in records]

    async def create(self, ctx: Context, specs: Sequence[NetworkCreate]) -> list[NetworkDetail]:
        """All of them or none."""
        made = [self._build(ctx, spec) for spec in specs]

        async def work(tx: Transaction) -> list[NetworkDetail]:
            for network, asked in made:
                await self.ground.quotas.reserve(tx, network.project_id, "network")
                await self._choose_segment(tx, network, asked)
                await self._only_default(tx, network)
                await self.store.insert(tx, network)
                await self.ground.changes.mark(tx, "network", network.id)
            return await self.describe(tx, [await self.reload(tx, network) for network, _ in made])

        return await self.ground.write(work)

    def _build(self, ctx: Context, spec: NetworkCreate) -> tuple[Network, int | None]:
        """The network without its segment, and the segmentation id asked for."""
        admin_only(
            ctx,
            **{
                "shared": spec.shared or UNSET,
                "router:external": spec.external or UNSET,
                "is_default": spec.is_default or UNSET,
                "provider:network_type": spec.network_type,
                "provider:physical_network": spec.physical_network,
                "provider:segmentation_id": spec.segmentation_id,
            },
        )
        kind = spec.network_type or self.settings.tenant_network_type
        physical = spec.physical_network or None
        if kind == "vlan" and not spec.network_type and physical is None:
            physical = self.settings.tenant_physical_network or next(iter(self.settings.physical_networks), None)
        segmentation_id = spec.segmentation_id if isinstance(spec.segmentation_id, int) else None
        self._check_provider(kind, physical, segmentation_id)
        largest = self.settings.physical_mtu if kind in BRIDGED else self.settings.tenant_mtu
        if spec.mtu and not MIN_MTU <= spec.mtu <= largest:
            raise InvalidInput(reason=f"Invalid input for mtu. Reason: {spec.mtu} is not between {MIN_MTU} and {largest}.")
        network = Network(
            id=str(uuid4()),
            project_id=owner_of(ctx, spec.project_id, spec.tenant_id),
            name=spec.name,
            description=spec.description,
            admin_state_up=spec.admin_state_up,
            shared=spec.shared is True,
            external=spec.external is True,
            is_default=spec.is_default is True,
            mtu=spec.mtu or largest,
            network_type=kind,
            physical_network=physical,
            segment="",
            port_security_enabled=spec.port_security_enabled,
            availability_zone_hints=spec.availability_zone_hints,
            created_at=now(),
            updated_at=now(),
        )
        return network, segmentation_id

    def _check_provider(self, kind: str, physical: str | None, segmentation_id: int | None) -> None:
        if kind in BRIDGED:
            if physical is None:
                raise InvalidInput(reason=f"physical_network required for {kind} provider network")
            if physical not in self.settings.physical_networks:
                raise InvalidInput(reason=f"physical_network '{physical}' unknown for {kind} provider network")
            if kind == "flat" and segmentation_id is not None:
                raise InvalidInput(reason="provider:segmentation_id specified for flat network")
            if kind == "vlan" and segmentation_id is not None and not 1 <= segmentation_id <= 4094:
                raise InvalidInput(reason=f"segmentation_id out of range (1 through 4094): {segmentation_id}")
        elif kind in TUNNELLED:
            if kind != self.settings.tunnel():
                raise InvalidInput(reason=f"network_type value '{kind}' not supported; this cloud tunnels by {self.settings.tunnel()}")
            if physical is not None:
                raise InvalidInput(reason=f"provider:physical_network specified for {kind} network")
            if segmentation_id is not None and not 1 <= segmentation_id <= MAX_SEGMENT:
                raise InvalidInput(reason=f"segmentation_id out of range (1 through {MAX_SEGMENT}): {segmentation_id}")
        else:
            raise InvalidInput(reason=f"network_type value '{kind}' not supported")

    async def _choose_segment(self, tx: Transaction, network: Network, asked: int | None) -> None:
        """Flat networks have no number; others the one asked for, or a free one by chance."""
        if network.network_type == "flat":
            network.segment = f"flat:{network.physical_network}"
        elif asked is not None:
            network.segmentation_id = asked
        elif network.network_type == "vlan":
            network.segmentation_id = await self._free_vlan(tx, network.physical_network or "")
        else:
            network.segmentation_id = 1 + secrets.randbelow(MAX_SEGMENT)
        if network.network_type != "flat":
            network.segment = f"{network.network_type}:{network.physical_network or ''}:{network.segmentation_id}"
        taken = await self.store.count(tx, network_table.c.segment == network.segment)
        if taken and (asked is not None or network.network_type == "flat"):
            raise SegmentInUse(segment=network.segment)

    async def _free_vlan(self, tx: Transaction, physical: str) -> int:
        """One of the ids that no network of the physical one has. Raises NoVlanLeft."""
        column = network_table.c
        held = await self.store.find(tx, column.network_type == "vlan", column.physical_network == physical)
        used = {network.segmentation_id for network in held}
        low, high = self.settings.vlan_range
        free = [number for number in range(low, high + 1) if number not in used]
        if not free:
            raise NoVlanLeft(physical_network=physical, low=low, high=high)
        return secrets.choice(free)

    async def _only_default(self, tx: Transaction, network: Network) -> None:
        if network.is_default and await self.store.count(tx, network_table.c.is_default.is_(True), network_table.c.id != network.id):
            raise InvalidInput(reason="A default external network already exists", type_name="DefaultExternalNetworkExists")

    async def update(self, ctx: Context, network_id: str, spec: NetworkUpdate) -> NetworkDetail:
        async def work(tx: Transaction) -> NetworkDetail:
            network = await self.own(tx, ctx, network_id)
            values = changed(
                spec, "name", "description", "admin_state_up", "shared", "external", "is_default", "mtu", "port_security_enabled"
            )
            admin_only(
                ctx,
                **{
                    key: values[key]
                    for key in ("shared", "external", "is_default")
                    if values.get(key, UNSET) not in (UNSET, getattr(network, key))
                },
            )
            await self._check_update(tx, network, values)
            await self.touch(tx, network_id, **values)
            await self.ground.changes.mark(tx, "network", network_id)
            return await self.detail(tx, await self.load(tx, ctx, network_id))

        return await self.ground.write(work)

    async def _check_update(self, tx: Transaction, network: Network, values: dict[str, object]) -> None:
        largest = self.settings.physical_mtu if network.network_type in BRIDGED else self.settings.tenant_mtu
        mtu = values.get("mtu", largest)
        if not isinstance(mtu, int) or not MIN_MTU <= mtu <= largest:
            raise InvalidInput(reason=f"Invalid input for mtu. Reason: {mtu} is not between {MIN_MTU} and {largest}.")
        ports = port_table.c
        if network.shared and values.get("shared") is False:
            foreign = (ports.network_id == network.id, ports.project_id != network.project_id, ports.project_id != "")
            if await self.stores.ports.count(tx, *foreign):
                raise SharedNetworkInUse(network_id=network.id)
        if network.external and values.get("external") is False:
            gateways = await self.stores.routers.count(tx, router_table.c.gateway_network_id == network.id)
            if gateways:
                raise ExternalNetworkInUse(network_id=network.id)
        if values.get("is_default") is True:
            await self._only_default(tx, msgspec.structs.replace(network, is_default=True))

    async def _drop_idle_floating_ips(self, tx: Transaction, network_id: str) -> None:
        """Floating IPs that point nowhere do not keep an external network alive."""
        column = floating_ip_table.c
        for floating in await self.stores.floating_ips.find(tx, column.floating_network_id == network_id, column.port_id.is_(None)):
            await self.stores.addresses.delete_where(tx, address_table.c.port_id == floating.holder_port_id)
            await self.stores.ports.delete(tx, floating.holder_port_id)
            await self.stores.tags.replace(tx, floating.id, [])
            await self.stores.floating_ips.delete(tx, floating.id)

    async def delete(self, ctx: Context, network_id: str) -> None:
        """Takes the subnets and the service's own ports along. Raises NetworkInUse while others' ports are there."""

        async def work(tx: Transaction) -> None:
            await self.own(tx, ctx, network_id)
            await self._drop_idle_floating_ips(tx, network_id)
            ports = await self.stores.ports.find(tx, port_table.c.network_id == network_id)
            if any(port.device_owner not in AUTO_DELETED for port in ports):
                raise NetworkInUse(network_id=network_id)
            addresses, subnets = self.stores.addresses, self.stores.subnets
            await addresses.delete_where(tx, addresses.table.c.network_id == network_id)
            await subnets.delete_where(tx, subnet_table.c.network_id == network_id)
            for port in ports:
                await self.stores.ports.delete(tx, port.id)
                await self.ground.changes.mark(tx, "port", port.id)
            await self.stores.tags.replace(tx, network_id, [])
            await self.store.delete(tx, network_id)
            await self.ground.changes.mark(tx, "network", network_id)

        await self.ground.write(work)
