"""/v2.0/subnetpools."""

from __future__ import annotations

from typing import Any

import msgspec

from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.network.api.query import AnyRequest, Links, common, fields_of, listing, query_of
from cloudd.network.domain.subnet_pool import SubnetPoolCreate, SubnetPoolDetail, SubnetPools, SubnetPoolUpdate


class SubnetPoolCreateRequest(msgspec.Struct):
    subnetpool: SubnetPoolCreate


class SubnetPoolUpdateRequest(msgspec.Struct):
    subnetpool: SubnetPoolUpdate


def view(detail: SubnetPoolDetail) -> dict[str, Any]:
    pool = detail.pool
    return {
        **common(pool, detail.tags),
        "name": pool.name,
        "ip_version": pool.ip_version,
        "prefixes": pool.prefixes,
        "default_prefixlen": pool.default_prefixlen,
        "min_prefixlen": pool.min_prefixlen,
        "max_prefixlen": pool.max_prefixlen,
        "default_quota": pool.default_quota,
        "shared": pool.shared,
        "is_default": pool.is_default,
        "address_scope_id": None,
        "revision_number": pool.revision,
    }


@route("GET", "/v2.0/subnetpools", rule="network:get_subnetpool")
async def list_subnet_pools(ctx: Context, request: AnyRequest, subnet_pools: SubnetPools, links: Links) -> dict[str, Any]:
    found = await subnet_pools.page(ctx, query_of(request, subnet_pools))
    return listing(request, links, "subnetpools", [view(detail) for detail in found])


@route("POST", "/v2.0/subnetpools", rule="network:create_subnetpool", status=201)
async def create_subnet_pool(ctx: Context, data: SubnetPoolCreateRequest, subnet_pools: SubnetPools) -> dict[str, Any]:
    return {"subnetpool": view(await subnet_pools.create(ctx, data.subnetpool))}


@route("GET", "/v2.0/subnetpools/{subnetpool_id:str}", rule="network:get_subnetpool")
async def show_subnet_pool(ctx: Context, request: AnyRequest, subnetpool_id: str, subnet_pools: SubnetPools) -> dict[str, Any]:
    return {"subnetpool": fields_of(request, view(await subnet_pools.get(ctx, subnetpool_id)))}


@route("PUT", "/v2.0/subnetpools/{subnetpool_id:str}", rule="network:update_subnetpool")
async def update_subnet_pool(ctx: Context, subnetpool_id: str, data: SubnetPoolUpdateRequest, subnet_pools: SubnetPools) -> dict[str, Any]:
    return {"subnetpool": view(await subnet_pools.update(ctx, subnetpool_id, data.subnetpool))}


@route("DELETE", "/v2.0/subnetpools/{subnetpool_id:str}", rule="network:delete_subnetpool", status=204)
async def delete_subnet_pool(ctx: Context, subnetpool_id: str, subnet_pools: SubnetPools) -> None:
    await subnet_pools.delete(ctx, subnetpool_id)
