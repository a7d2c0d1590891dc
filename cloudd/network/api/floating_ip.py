"""/v2.0/floatingips."""

from __future__ import annotations

from typing import Any

import msgspec

from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.network.api.query import AnyRequest, Links, common, fields_of, listing, query_of
from cloudd.network.domain.floating_ip import FloatingIpCreate, FloatingIpDetail, FloatingIps, FloatingIpUpdate


class FloatingIpCreateRequest(msgspec.Struct):
    floatingip: FloatingIpCreate


class FloatingIpUpdateRequest(msgspec.Struct):
    floatingip: FloatingIpUpdate


def view(detail: FloatingIpDetail) -> dict[str, Any]:
    floating, port = detail.floating_ip, detail.port
    port_details = None
    if port is not None:
        names = ("name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner")
        port_details = {name: getattr(port, name) for name in names}
    return {
        **common(floating, detail.tags),
        "floating_network_id": floating.floating_network_id,
        "floating_ip_address": floating.floating_ip_address,
        "port_id": floating.port_id,
        "fixed_ip_address": floating.fixed_ip_address,
        "router_id": floating.router_id,
        "status": floating.status,
        "port_details": port_details,
        "revision_number": floating.revision,
    }


@route("GET", "/v2.0/floatingips", rule="network:get_floatingip")
async def list_floating_ips(ctx: Context, request: AnyRequest, floating_ips: FloatingIps, links: Links) -> dict[str, Any]:
    found = await floating_ips.page(ctx, query_of(request, floating_ips))
    return listing(request, links, "floatingips", [view(detail) for detail in found])


@route("POST", "/v2.0/floatingips", rule="network:create_floatingip", status=201)
async def create_floating_ip(ctx: Context, data: FloatingIpCreateRequest, floating_ips: FloatingIps) -> dict[str, Any]:
    return {"floatingip": view(await floating_ips.create(ctx, data.floatingip))}


@route("GET", "/v2.0/floatingips/{floatingip_id:str}", rule="network:get_floatingip")
async def show_floating_ip(ctx: Context, request: AnyRequest, floatingip_id: str, floating_ips: FloatingIps) -> dict[str, Any]:
    return {"floatingip": fields_of(request, view(await floating_ips.get(ctx, floatingip_id)))}


@route("PUT", "/v2.0/floatingips/{floatingip_id:str}", rule="network:update_floatingip")
async def update_floating_ip(ctx: Context, floatingip_id: str, data: FloatingIpUpdateRequest, floating_ips: FloatingIps) -> dict[str, Any]:
    return {"floatingip": view(await floating_ips.update(ctx, floatingip_id, data.floatingip))}


@route("DELETE", "/v2.0/floatingips/{floatingip_id:str}", rule="network:delete_floatingip", status=204)
async def delete_floating_ip(ctx: Context, floatingip_id: str, floating_ips: FloatingIps) -> None:
    await floating_ips.delete(ctx, floatingip_id)
