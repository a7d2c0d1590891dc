"""Subnet pools: prefixes from which subnets are cut."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.network.domain.address import IPNetwork, parse_cidr
from cloudd.network.domain.records import Ground, Records, admin_only, changed, owner_of
from cloudd.network.errors import InvalidInput, SubnetPoolExhausted, SubnetPoolInUse, SubnetPoolNotFound
from cloudd.network.store.filters import Where
from cloudd.network.store.subnet import subnet_table
from cloudd.network.store.subnet_pool import SubnetPool, subnet_pool_table

if TYPE_CHECKING:
    from cloudd.network.domain.subnet import SubnetCreate

Text = Annotated[str, msgspec.Meta(max_length=255)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Length = int | str | None | UnsetType


class SubnetPoolCreate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Prefix lengths may be text, as older clients send them."""

    name: Text
    prefixes: list[str]
    description: Text = ""
    default_prefixlen: Length = UNSET
    min_prefixlen: Length = UNSET
    max_prefixlen: Length = UNSET
    default_quota: Count | None = None
    shared: bool | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET
    address_scope_id: None = None
    project_id: str | None = None
    tenant_id: str | None = None


class SubnetPoolUpdate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    prefixes: list[str] | UnsetType = UNSET
    default_prefixlen: Length = UNSET
    min_prefixlen: Length = UNSET
    max_prefixlen: Length = UNSET
    default_quota: Count | UnsetType | None = UNSET
    is_default: bool | UnsetType = UNSET
    address_scope_id: UnsetType | None = UNSET


class SubnetPoolDetail(msgspec.Struct, kw_only=True):
    pool: SubnetPool
    tags: list[str]


class SubnetPools(Records[SubnetPool, SubnetPoolDetail]):
    not_found, key = SubnetPoolNotFound, "subnetpool_id"

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground, ground.stores.subnet_pools)

    def visible(self, ctx: Context) -> list[Where]:
        column = subnet_pool_table.c
        return [] if ctx.is_admin else [sa.or_(column.project_id == ctx.project_id, column.shared.is_(True))]

    async def describe(self, tx: Transaction, records: list[SubnetPool]) -> list[SubnetPoolDetail]:
        tags = await self.stores.tags.of(tx, [pool.id for pool in records])
        return [SubnetPoolDetail(pool=pool, tags=tags[pool.id]) for pool in records]

    async def create(self, ctx: Context, spec: SubnetPoolCreate) -> SubnetPoolDetail:
        admin_only(ctx, shared=spec.shared or UNSET, is_default=spec.is_default or UNSET)
        prefixes = merge([parse_cidr(text, "prefixes") for text in spec.prefixes])
        if not prefixes or len({prefix.version for prefix in prefixes}) != 1:
            raise InvalidInput(reason="a subnet pool needs prefixes, all of one IP version", type_name="PrefixVersionMismatch")
        bits = prefixes[0].max_prefixlen
        low = length(spec.min_prefixlen, 8 if bits == 32 else 64)
        pool = SubnetPool(
            id=str(uuid4()),
            project_id=owner_of(ctx, spec.project_id, spec.tenant_id),
            name=spec.name,
            description=spec.description,
            ip_version=prefixes[0].version,
            prefixes=[str(prefix) for prefix in prefixes],
            min_prefixlen=low,
            max_prefixlen=length(spec.max_prefixlen, bits),
            default_prefixlen=length(spec.default_prefixlen, low),
            default_quota=spec.default_quota,
            shared=spec.shared is True,
            is_default=spec.is_default is True,
            created_at=now(),
            updated_at=now(),
        )
        check_lengths(pool)

        async def work(tx: Transaction) -> SubnetPoolDetail:
            await self.ground.quotas.reserve(tx, pool.project_id, "subnetpool")
            await self._only_default(tx, pool)
            await self.store.insert(tx, pool)
            return await self.detail(tx, pool)

        return await self.ground.write(work)

    async def _only_default(self, tx: Transaction, pool: SubnetPool) -> None:
        column = subnet_pool_table.c
        others = (column.is_default.is_(True), column.ip_version == pool.ip_version, column.id != pool.id)
        if pool.is_default and await self.store.count(tx, *others):
            raise InvalidInput(reason=f"A default subnetpool for IPv{pool.ip_version} has already been set.")

    async def update(self, ctx: Context, pool_id: str, spec: SubnetPoolUpdate) -> SubnetPoolDetail:
        async def work(tx: Transaction) -> SubnetPoolDetail:
            pool: SubnetPool = await self.own(tx, ctx, pool_id)
            values = changed(spec, "name", "description", "default_quota", "is_default")
            if values.get("is_default", pool.is_default) != pool.is_default:
                admin_only(ctx, is_default=values["is_default"])
            for name in ("min_prefixlen", "max_prefixlen", "default_prefixlen"):
                values[name] = length(getattr(spec, name), getattr(pool, name))
            if spec.prefixes is not UNSET:
                values["prefixes"] = [str(prefix) for prefix in self._grown(pool, spec.prefixes)]
            merged = msgspec.structs.replace(pool, **values)
            check_lengths(merged)
            await self._only_default(tx, merged)
            await self.touch(tx, pool_id, **values)
            return await self.detail(tx, await self.load(tx, ctx, pool_id))

        return await self.ground.write(work)

    def _grown(self, pool: SubnetPool, texts: list[str]) -> list[IPNetwork]:
        prefixes = merge([parse_cidr(text, "prefixes") for text in texts])
        for known in (parse_cidr(text) for text in pool.prefixes):
            if not any(contains(prefix, known) for prefix in prefixes):
                raise InvalidInput(
                    reason=f"Illegal subnetpool prefix update: existing prefix {known} must stay", type_name="IllegalSubnetPoolPrefixUpdate"
                )
        return prefixes

    async def delete(self, ctx: Context, pool_id: str) -> None:
        async def work(tx: Transaction) -> None:
            await self.own(tx, ctx, pool_id)
            if await self.stores.subnets.count(tx, subnet_table.c.subnetpool_id == pool_id):
                raise SubnetPoolInUse()
            await self.stores.tags.replace(tx, pool_id, [])
            await self.store.delete(tx, pool_id)

        await self.ground.write(work)

    async def cut(self, tx: Transaction, ctx: Context, spec: SubnetCreate) -> tuple[IPNetwork, str]:
        """The range for a new subnet: the one asked for, or the first that is free; the pool stays locked."""
        pool = await self._pool_of(tx, ctx, spec)
        if spec.ip_version is not UNSET and spec.ip_version != pool.ip_version:
            raise InvalidInput(reason=f"Cannot allocate IPv{spec.ip_version} subnet from IPv{pool.ip_version} subnet pool")
        taken = [parse_cidr(subnet.cidr) for subnet in await self.stores.subnets.find(tx, subnet_table.c.subnetpool_id == pool.id)]
        prefixes = [parse_cidr(text) for text in pool.prefixes]
        if spec.cidr is not None:
            asked = parse_cidr(spec.cidr)
            self._check_length(pool, asked.prefixlen)
            inside = any(contains(prefix, asked) for prefix in prefixes)
            if not inside or any(asked.overlaps(known) for known in taken):
                raise InvalidInput(
                    reason="Failed to allocate subnet: Cannot allocate requested subnet from the available set of prefixes.",
                    type_name="SubnetAllocationError",
                )
            return asked, pool.id
        prefixlen = pool.default_prefixlen if spec.prefixlen is None else spec.prefixlen
        self._check_length(pool, prefixlen)
        free = first_free(prefixes, taken, prefixlen)
        if free is None:
            raise SubnetPoolExhausted(prefixlen=prefixlen)
        return free, pool.id

    async def _pool_of(self, tx: Transaction, ctx: Context, spec: SubnetCreate) -> SubnetPool:
        if spec.subnetpool_id:
            return await self.load(tx, ctx, spec.subnetpool_id, lock=True)
        column = subnet_pool_table.c
        version = 4 if spec.ip_version is UNSET else spec.ip_version
        found = await self.store.find(tx, column.is_default.is_(True), column.ip_version == version, *self.visible(ctx))
        if not found:
            raise InvalidInput(reason=f"No default subnetpool found for IPv{version}", type_name="NoDefaultSubnetPool")
        return await self.load(tx, ctx, found[0].id, lock=True)

    def _check_length(self, pool: SubnetPool, prefixlen: int) -> None:
        if not pool.min_prefixlen <= prefixlen <= pool.max_prefixlen:
            reason = f"Unable to allocate subnet with prefix length {prefixlen}, allowed are {pool.min_prefixlen} to {pool.max_prefixlen}."
            raise InvalidInput(
                reason=reason,
                type_name="MinPrefixSubnetAllocationError" if prefixlen < pool.min_prefixlen else "MaxPrefixSubnetAllocationError",
            )


def contains(outer: IPNetwork, inner: IPNetwork) -> bool:
    return outer.version == inner.version and outer[0] <= inner[0] and inner[-1] <= outer[-1]  # type: ignore[operator]


def merge(prefixes: list[IPNetwork]) -> list[IPNetwork]:
    """The same addresses in as few prefixes as possible."""
    if len({prefix.version for prefix in prefixes}) > 1:
        raise InvalidInput(reason="prefixes of a subnet pool must be of one IP version", type_name="PrefixVersionMismatch")
    return list(ipaddress.collapse_addresses(prefixes))  # type: ignore[type-var]


def first_free(prefixes: list[IPNetwork], taken: list[IPNetwork], prefixlen: int) -> IPNetwork | None:
    """The lowest range of that length that overlaps nothing taken; jumps over what is taken instead of counting through it."""
    for prefix in prefixes:
        if prefixlen < prefix.prefixlen:
            continue
        size = 2 ** (prefix.max_prefixlen - prefixlen)
        start, end = int(prefix[0]), int(prefix[-1])
        for low, high in sorted((int(known[0]), int(known[-1])) for known in taken if known.version == prefix.version):
            if high < start:
                continue
            if low >= start + size:
                break
            start = (high // size + 1) * size
        if start + size - 1 <= end:
            kind: Any = type(prefix[0])
            return ipaddress.ip_network((kind(start), prefixlen))
    return None


def length(value: Length, default: int) -> int:
    """A prefix length as given, or the default. Raises InvalidInput."""
    if value is UNSET or value is None:
        return default
    try:
        return int(value)
    except ValueError:
        raise InvalidInput(reason=f"Invalid input for prefixlen. Reason: '{value}' is not an integer.") from None


def check_lengths(pool: SubnetPool) -> None:
    bits = 32 if pool.ip_version == 4 else 128
    if not 0 <= pool.min_prefixlen <= pool.default_prefixlen <= pool.max_prefixlen <= bits:
        reason = f"Illegal prefix bounds: min {pool.min_prefixlen}, default {pool.default_prefixlen}, max {pool.max_prefixlen} of {bits}."
        raise InvalidInput(reason=reason, type_name="IllegalSubnetPoolPrefixBounds")
