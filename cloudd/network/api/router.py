"""/v2.0/routers, with their interfaces and extra routes."""

from __future__ import annotations

from typing import Any

import msgspec

from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.network.api.query import AnyRequest, Links, common, fields_of, listing, query_of
from cloudd.network.domain.router import RouterCreate, RouterDetail, Routers, RouterUpdate
from cloudd.network.domain.router_interface import Interface, InterfaceSpec, RouterInterfaces
from cloudd.network.domain.subnet import RouteSpec


class RouterCreateRequest(msgspec.Struct):
    router: RouterCreate


class RouterUpdateRequest(msgspec.Struct):
    router: RouterUpdate


class RoutesChange(msgspec.Struct, forbid_unknown_fields=True):
    routes: list[RouteSpec]


class RoutesRequest(msgspec.Struct):
    router: RoutesChange


def view(ctx: Context, detail: RouterDetail) -> dict[str, Any]:
    router = detail.router
    gateway = None
    if router.gateway_network_id is not None:
        addresses = [{"subnet_id": item.subnet_id, "ip_address": item.ip_address} for item in detail.gateway_addresses]
        gateway = {"network_id": router.gateway_network_id, "external_fixed_ips": addresses, "enable_snat": router.enable_snat}
    shown = {
        **common(router, detail.tags),
        "name": router.name,
        "admin_state_up": router.admin_state_up,
        "status": router.status,
        "external_gateway_info": gateway,
        "routes": router.routes,
        "availability_zone_hints": router.availability_zone_hints,
        "availability_zones": ["nova"],
        "flavor_id": None,
        "revision_number": router.revision,
    }
    if ctx.is_admin:
        shown |= {"distributed": False, "ha": True}
    return shown


def interface_view(interface: Interface) -> dict[str, Any]:
    return {
        "id": interface.router.id,
        "project_id": interface.router.project_id,
        "tenant_id": interface.router.project_id,
        "network_id": interface.port.network_id,
        "port_id": interface.port.id,
        "subnet_id": interface.subnet_ids[0] if interface.subnet_ids else None,
        "subnet_ids": interface.subnet_ids,
        "tags": interface.tags,
    }


@route("GET", "/v2.0/routers", rule="network:get_router")
async def list_routers(ctx: Context, request: AnyRequest, routers: Routers, links: Links) -> dict[str, Any]:
    found = await routers.page(ctx, query_of(request, routers))
    return listing(request, links, "routers", [view(ctx, detail) for detail in found])


@route("POST", "/v2.0/routers", rule="network:create_router", status=201)
async def create_router(ctx: Context, data: RouterCreateRequest, routers: Routers) -> dict[str, Any]:
    return {"router": view(ctx, await routers.create(ctx, data.router))}


@route("GET", "/v2.0/routers/{router_id:str}", rule="network:get_router")
async def show_router(ctx: Context, request: AnyRequest, router_id: str, routers: Routers) -> dict[str, Any]:
    return {"router": fields_of(request, view(ctx, await routers.get(ctx, router_id)))}


@route("PUT", "/v2.0/routers/{router_id:str}", rule="network:update_router")
async def update_router(ctx: Context, router_id: str, data: RouterUpdateRequest, routers: Routers) -> dict[str, Any]:
    return {"router": view(ctx, await routers.update(ctx, router_id, data.router))}


@route("DELETE", "/v2.0/routers/{router_id:str}", rule="network:delete_router", status=204)
async def delete_router(ctx: Context, router_id: str, routers: Routers) -> None:
    await routers.delete(ctx, router_id)


@route("PUT", "/v2.0/routers/{router_id:str}/add_router_interface", rule="network:add_router_interface")
async def add_router_interface(ctx: Context, router_id: str, data: InterfaceSpec, interfaces: RouterInterfaces) -> dict[str, Any]:
    return interface_view(await interfaces.add(ctx, router_id, data))


@route("PUT", "/v2.0/routers/{router_id:str}/remove_router_interface", rule="network:remove_router_interface")
async def remove_router_interface(ctx: Context, router_id: str, data: InterfaceSpec, interfaces: RouterInterfaces) -> dict[str, Any]:
    return interface_view(await interfaces.remove(ctx, router_id, data))


@route("PUT", "/v2.0/routers/{router_id:str}/add_extraroutes", rule="network:update_router")
async def add_extra_routes(ctx: Context, router_id: str, data: RoutesRequest, routers: Routers) -> dict[str, Any]:
    added = [msgspec.to_builtins(item) for item in data.router.routes]
    detail = await routers.change_routes(ctx, router_id, lambda held: [*held, *added])
    return {"router": view(ctx, detail)}


@route("PUT", "/v2.0/routers/{router_id:str}/remove_extraroutes", rule="network:update_router")
async def remove_extra_routes(ctx: Context, router_id: str, data: RoutesRequest, routers: Routers) -> dict[str, Any]:
    removed = [msgspec.to_builtins(item) for item in data.router.routes]
    detail = await routers.change_routes(ctx, router_id, lambda held: [item for item in held if item not in removed])
    return {"router": view(ctx, detail)}
