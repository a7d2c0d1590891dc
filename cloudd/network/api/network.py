"""/v2.0/networks."""

from __future__ import annotations

from typing import Any

import msgspec

from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.network.api.query import AnyRequest, Links, common, fields_of, listing, query_of
from cloudd.network.domain.network import NetworkCreate, NetworkDetail, Networks, NetworkUpdate
from cloudd.network.errors import InvalidInput


class NetworkCreateRequest(msgspec.Struct):
    """One, or several at once."""

    network: NetworkCreate | None = None
    networks: list[NetworkCreate] | None = None


class NetworkUpdateRequest(msgspec.Struct):
    network: NetworkUpdate


def view(ctx: Context, detail: NetworkDetail) -> dict[str, Any]:
    network = detail.network
    shown = {
        **common(network, detail.tags),
        "name": network.name,
        "admin_state_up": network.admin_state_up,
        "status": network.status,
        "shared": network.shared,
        "router:external": network.external,
        "mtu": network.mtu,
        "subnets": detail.subnet_ids,
        "port_security_enabled": network.port_security_enabled,
        "availability_zone_hints": network.availability_zone_hints,
        "availability_zones": ["nova"],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "revision_number": network.revision,
    }
    if network.external:
        shown["is_default"] = network.is_default
    if ctx.is_admin:
        shown["provider:network_type"] = network.network_type
        shown["provider:physical_network"] = network.physical_network
        shown["provider:segmentation_id"] = network.segmentation_id
    return shown


@route("GET", "/v2.0/networks", rule="network:get_network")
async def list_networks(ctx: Context, request: AnyRequest, networks: Networks, links: Links) -> dict[str, Any]:
    found = await networks.page(ctx, query_of(request, networks))
    return listing(request, links, "networks", [view(ctx, detail) for detail in found])


@route("POST", "/v2.0/networks", rule="network:create_network", status=201)
async def create_network(ctx: Context, data: NetworkCreateRequest, networks: Networks) -> dict[str, Any]:
    if data.networks is not None:
        return {"networks": [view(ctx, detail) for detail in await networks.create(ctx, data.networks)]}
    if data.network is None:
        raise InvalidInput(reason="Resource body required", type_name="HTTPBadRequest")
    return {"network": view(ctx, (await networks.create(ctx, [data.network]))[0])}


@route("GET", "/v2.0/networks/{network_id:str}", rule="network:get_network")
async def show_network(ctx: Context, request: AnyRequest, network_id: str, networks: Networks) -> dict[str, Any]:
    return {"network": fields_of(request, view(ctx, await networks.get(ctx, network_id)))}


@route("PUT", "/v2.0/networks/{network_id:str}", rule="network:update_network")
async def update_network(ctx: Context, network_id: str, data: NetworkUpdateRequest, networks: Networks) -> dict[str, Any]:
    return {"network": view(ctx, await networks.update(ctx, network_id, data.network))}


@route("DELETE", "/v2.0/networks/{network_id:str}", rule="network:delete_network", status=204)
async def delete_network(ctx: Context, network_id: str, networks: Networks) -> None:
    await networks.delete(ctx, network_id)
