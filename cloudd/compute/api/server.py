"""/v2.1/servers: create, list, show, update, delete."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response
from msgspec import UNSET, UnsetType

from cloudd.compute.api.server_body import HostName, ServerCreateRequest, address, server_request
from cloudd.compute.api.server_query import addresses_wanted, server_filter
from cloudd.compute.api.server_view import ServerViews, addresses_view
from cloudd.compute.api.shapes import Links, Name, field_since, truth
from cloudd.compute.domain.server import Servers
from cloudd.compute.domain.server_action import ServerActions
from cloudd.compute.domain.server_create import ServerCreation, hostname_of
from cloudd.kit.auth import Context
from cloudd.kit.errors import NotFound
from cloudd.kit.paging import next_link, parse_page
from cloudd.kit.web import route

_SORTABLE = {
    "access_ip_v4": "access_ipv4",
    "access_ip_v6": "access_ipv6",
    "availability_zone": "availability_zone",
    "created_at": "created_at",
    "created": "created_at",
    "description": "description",
    "display_description": "description",
    "display_name": "name",
    "name": "name",
    "host": "host",
    "hostname": "hostname",
    "id": "id",
    "uuid": "id",
    "image_ref": "image_id",
    "instance_type_id": "flavor_id",
    "key_name": "key_name",
    "launch_index": "launch_index",
    "launched_at": "launched_at",
    "locked": "locked_by",
    "locked_by": "locked_by",
    "power_state": "power_state",
    "project_id": "project_id",
    "task_state": "task_state",
    "updated_at": "updated_at",
    "updated": "updated_at",
    "user_id": "user_id",
    "vm_state": "vm_state",
    "status": "vm_state",
}


class ServerUpdate(msgspec.Struct, forbid_unknown_fields=True):
    name: Name | UnsetType = UNSET
    disk_config: Literal["AUTO", "MANUAL"] | UnsetType = msgspec.field(name="OS-DCF:diskConfig", default=UNSET)
    access_ipv4: str | UnsetType = msgspec.field(name="accessIPv4", default=UNSET)
    access_ipv6: str | UnsetType = msgspec.field(name="accessIPv6", default=UNSET)
    description: Annotated[str, msgspec.Meta(max_length=255)] | UnsetType | None = UNSET
    hostname: HostName | UnsetType = UNSET


class ServerUpdateRequest(msgspec.Struct, forbid_unknown_fields=True):
    server: ServerUpdate


@route("POST", "/v2.1/servers", rule="compute:servers:create", status=202)
async def create_server(ctx: Context, creation: ServerCreation, links: Links, data: ServerCreateRequest) -> Response[dict[str, Any]]:
    request = server_request(ctx, data)
    servers = await creation.create(ctx, request)
    if truth(data.server.return_reservation_id, "return_reservation_id"):
        return Response({"reservation_id": servers[0].reservation_id}, status_code=202)
    server = servers[0]
    view = {
        "id": server.id,
        "links": links.of("servers", server.id),
        "OS-DCF:diskConfig": server.disk_config,
        "security_groups": [{"name": name} for name in server.security_groups],
        "adminPass": request.admin_password,
    }
    return Response({"server": view}, status_code=202, headers={"Location": links.url("servers", server.id)})


async def _page(
    request: Request[Any, Any, Any], ctx: Context, servers: Servers, views: ServerViews, links: Links, *, detail: bool
) -> dict[str, Any]:
    query = request.query_params
    page = parse_page(query, _SORTABLE, [("created_at", True), ("id", True)])
    wanted = server_filter(ctx, query)
    found = await servers.page(ctx, page, wanted) if wanted is not None else []
    last = found[-1].id if len(found) == page.limit else None
    if (pattern := addresses_wanted(ctx, query)) is not None:
        ports = await views.network.views([server.id for server in found]) if found else {}
        found = [server for server in found if pattern(ports.get(server.id, []))]
    if detail:
        around = await views.surroundings(ctx, found)
        answer: dict[str, Any] = {"servers": [views.view(ctx, server, around, single=False) for server in found]}
    else:
        answer = {"servers": [views.brief(server) for server in found]}
    if last is not None:
        url = links.url("servers", "detail") if detail else links.url("servers")
        answer["servers_links"] = [{"rel": "next", "href": next_link(url, query, last)}]
    return answer


@route("GET", "/v2.1/servers", rule="compute:servers:list")
async def list_servers(request: Request[Any, Any, Any], ctx: Context, servers: Servers, views: ServerViews, links: Links) -> dict[str, Any]:
    return await _page(request, ctx, servers, views, links, detail=False)


@route("GET", "/v2.1/servers/detail", rule="compute:servers:list")
async def list_servers_detail(
    request: Request[Any, Any, Any], ctx: Context, servers: Servers, views: ServerViews, links: Links
) -> dict[str, Any]:
    return await _page(request, ctx, servers, views, links, detail=True)


@route("GET", "/v2.1/servers/{server_id:str}", rule="compute:servers:show")
async def show_server(ctx: Context, servers: Servers, views: ServerViews, server_id: str) -> dict[str, Any]:
    return {"server": await views.one(ctx, await servers.get(ctx, server_id))}


@route("PUT", "/v2.1/servers/{server_id:str}", rule="compute:servers:update")
async def update_server(ctx: Context, servers: Servers, views: ServerViews, server_id: str, data: ServerUpdateRequest) -> dict[str, Any]:
    wanted = data.server
    field_since(ctx, 19, wanted, "description")
    field_since(ctx, 90, wanted, "hostname")
    values: dict[str, Any] = {name: getattr(wanted, name) for name in ("disk_config", "description") if getattr(wanted, name) is not UNSET}
    if wanted.name is not UNSET:
        values["name"] = wanted.name.strip()
    if wanted.access_ipv4 is not UNSET:
        values["access_ipv4"] = address(wanted.access_ipv4, 4)
    if wanted.access_ipv6 is not UNSET:
        values["access_ipv6"] = address(wanted.access_ipv6, 6)
    if wanted.hostname is not UNSET:
        values["hostname"] = hostname_of(wanted.hostname, server_id)
    return {"server": await views.after_change(ctx, await servers.update(ctx, server_id, values))}


@route("DELETE", "/v2.1/servers/{server_id:str}", rule="compute:servers:delete", status=204)
async def delete_server(ctx: Context, server_actions: ServerActions, server_id: str) -> None:
    await server_actions.delete(ctx, server_id)


@route("GET", "/v2.1/servers/{server_id:str}/ips", rule="compute:servers:show")
async def list_addresses(ctx: Context, servers: Servers, views: ServerViews, server_id: str) -> dict[str, Any]:
    await servers.get(ctx, server_id)
    return {"addresses": addresses_view((await views.network.views([server_id])).get(server_id, []))}


@route("GET", "/v2.1/servers/{server_id:str}/ips/{network_name:str}", rule="compute:servers:show")
async def show_addresses(ctx: Context, servers: Servers, views: ServerViews, server_id: str, network_name: str) -> dict[str, Any]:
    await servers.get(ctx, server_id)
    addresses = addresses_view((await views.network.views([server_id])).get(server_id, []))
    if network_name not in addresses:
        raise NotFound(what=f"Network {network_name} of instance {server_id}")
    return {network_name: addresses[network_name]}
