"""/v2.0/subnets."""

from __future__ import annotations

from typing import Any

import msgspec

from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.network.api.query import AnyRequest, Links, common, fields_of, listing, query_of
from cloudd.network.domain.subnet import SubnetCreate, SubnetDetail, Subnets, SubnetUpdate
from cloudd.network.errors import InvalidInput


class SubnetCreateRequest(msgspec.Struct):
    """One, or several at once."""

    subnet: SubnetCreate | None = None
    subnets: list[SubnetCreate] | None = None


class SubnetUpdateRequest(msgspec.Struct):
    subnet: SubnetUpdate


def view(detail: SubnetDetail) -> dict[str, Any]:
    subnet = detail.subnet
    return {
        **common(subnet, detail.tags),
        "name": subnet.name,
        "network_id": subnet.network_id,
        "ip_version": subnet.ip_version,
        "cidr": subnet.cidr,
        "gateway_ip": subnet.gateway_ip,
        "enable_dhcp": subnet.enable_dhcp,
        "ipv6_ra_mode": subnet.ipv6_ra_mode,
        "ipv6_address_mode": subnet.ipv6_address_mode,
        "allocation_pools": subnet.allocation_pools,
        "dns_nameservers": subnet.dns_nameservers,
        "host_routes": subnet.host_routes,
        "service_types": subnet.service_types,
        "subnetpool_id": subnet.subnetpool_id,
        "segment_id": None,
        "revision_number": subnet.revision,
    }


@route("GET", "/v2.0/subnets", rule="network:get_subnet")
async def list_subnets(ctx: Context, request: AnyRequest, subnets: Subnets, links: Links) -> dict[str, Any]:
    found = await subnets.page(ctx, query_of(request, subnets))
    return listing(request, links, "subnets", [view(detail) for detail in found])


@route("POST", "/v2.0/subnets", rule="network:create_subnet", status=201)
async def create_subnet(ctx: Context, data: SubnetCreateRequest, subnets: Subnets) -> dict[str, Any]:
    if data.subnets is not None:
        return {"subnets": [view(detail) for detail in await subnets.create(ctx, data.subnets)]}
    if data.subnet is None:
        raise InvalidInput(reason="Resource body required", type_name="HTTPBadRequest")
    return {"subnet": view((await subnets.create(ctx, [data.subnet]))[0])}


@route("GET", "/v2.0/subnets/{subnet_id:str}", rule="network:get_subnet")
async def show_subnet(ctx: Context, request: AnyRequest, subnet_id: str, subnets: Subnets) -> dict[str, Any]:
    return {"subnet": fields_of(request, view(await subnets.get(ctx, subnet_id)))}


@route("PUT", "/v2.0/subnets/{subnet_id:str}", rule="network:update_subnet")
async def update_subnet(ctx: Context, subnet_id: str, data: SubnetUpdateRequest, subnets: Subnets) -> dict[str, Any]:
    return {"subnet": view(await subnets.update(ctx, subnet_id, data.subnet))}


@route("DELETE", "/v2.0/subnets/{subnet_id:str}", rule="network:delete_subnet", status=204)
async def delete_subnet(ctx: Context, subnet_id: str, subnets: Subnets) -> None:
    await subnets.delete(ctx, subnet_id)
