"""/v2.1/servers/{id}/tags, from microversion 2.26."""

from typing import Any

import msgspec
from litestar import Response

from cloudd.compute.api.shapes import Links, Tag, read, since
from cloudd.compute.domain.server import Servers
from cloudd.compute.errors import TagNotFound
from cloudd.kit.auth import Context
from cloudd.kit.web import route


class TagsRequest(msgspec.Struct, forbid_unknown_fields=True):
    tags: list[Tag]


@route("GET", "/v2.1/servers/{server_id:str}/tags", rule="compute:servers:show")
async def list_tags(ctx: Context, servers: Servers, server_id: str) -> dict[str, Any]:
    since(ctx, 26)
    return {"tags": (await servers.get(ctx, server_id)).tags}


@route("PUT", "/v2.1/servers/{server_id:str}/tags", rule="compute:servers:update")
async def replace_tags(ctx: Context, servers: Servers, server_id: str, data: TagsRequest) -> dict[str, Any]:
    since(ctx, 26)
    return {"tags": await servers.set_tags(ctx, server_id, data.tags)}


@route("DELETE", "/v2.1/servers/{server_id:str}/tags", rule="compute:servers:update", status=204)
async def delete_tags(ctx: Context, servers: Servers, server_id: str) -> None:
    since(ctx, 26)
    await servers.set_tags(ctx, server_id, [])


@route("GET", "/v2.1/servers/{server_id:str}/tags/{tag:str}", rule="compute:servers:show", status=204)
async def check_tag(ctx: Context, servers: Servers, server_id: str, tag: str) -> None:
    since(ctx, 26)
    if tag not in (await servers.get(ctx, server_id)).tags:
        raise TagNotFound(server_id=server_id, tag=tag)


@route("PUT", "/v2.1/servers/{server_id:str}/tags/{tag:str}", rule="compute:servers:update", status=201)
async def add_tag(ctx: Context, servers: Servers, links: Links, server_id: str, tag: str) -> Response[None]:
    since(ctx, 26)
    is_new = await servers.add_tag(ctx, server_id, read(Tag, tag))
    headers = {"Location": links.url("servers", server_id, "tags", tag)}
    return Response(None, status_code=201 if is_new else 204, headers=headers)


@route("DELETE", "/v2.1/servers/{server_id:str}/tags/{tag:str}", rule="compute:servers:update", status=204)
async def delete_tag(ctx: Context, servers: Servers, server_id: str, tag: str) -> None:
    since(ctx, 26)
    await servers.remove_tag(ctx, server_id, tag)
