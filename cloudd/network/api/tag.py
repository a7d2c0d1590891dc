"""Tags of every resource that has them: /v2.0/<collection>/<id>/tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.network.domain.records import Records, without
from cloudd.network.errors import TagNotFound

Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
COLLECTIONS = {
    "networks": "network",
    "subnets": "subnet",
    "ports": "port",
    "routers": "router",
    "floatingips": "floatingip",
    "security-groups": "security_group",
    "subnetpools": "subnetpool",
}


class TagsRequest(msgspec.Struct):
    tags: list[Tag]


class Tagged(msgspec.Struct):
    """Collection name to its resources."""

    of: Mapping[str, Any]


def tag_routes(collection: str, noun: str) -> list[HTTPRouteHandler]:
    """The six routes of one collection."""
    path, read, write = f"/v2.0/{collection}/{{resource_id:str}}/tags", f"network:get_{noun}", f"network:update_{noun}"

    def records(tagged: Tagged) -> Records[Any, Any]:
        found: Records[Any, Any] = tagged.of[collection]
        return found

    @route("GET", path, rule=read)
    async def list_tags(ctx: Context, resource_id: str, tagged: Tagged) -> dict[str, Any]:
        return {"tags": await records(tagged).tags(ctx, resource_id)}

    @route("PUT", path, rule=write)
    async def replace_tags(ctx: Context, resource_id: str, data: TagsRequest, tagged: Tagged) -> dict[str, Any]:
        return {"tags": await records(tagged).set_tags(ctx, resource_id, lambda held: list(data.tags))}

    @route("DELETE", path, rule=write, status=204)
    async def clear_tags(ctx: Context, resource_id: str, tagged: Tagged) -> None:
        await records(tagged).set_tags(ctx, resource_id, lambda held: [])

    @route("GET", path + "/{tag:str}", rule=read, status=204)
    async def check_tag(ctx: Context, resource_id: str, tag: str, tagged: Tagged) -> None:
        if tag not in await records(tagged).tags(ctx, resource_id):
            raise TagNotFound(tag=tag)

    @route("PUT", path + "/{tag:str}", rule=write, status=201)
    async def add_tag(ctx: Context, resource_id: str, tag: str, tagged: Tagged) -> Response[None]:
        await records(tagged).set_tags(ctx, resource_id, lambda held: [*held, tag])
        return Response(None, status_code=201)

    @route("DELETE", path + "/{tag:str}", rule=write, status=204)
    async def remove_tag(ctx: Context, resource_id: str, tag: str, tagged: Tagged) -> None:
        await records(tagged).set_tags(ctx, resource_id, without(tag))

    return [list_tags, replace_tags, clear_tags, check_tag, add_tag, remove_tag]


TAG_ROUTES = [handler for collection, noun in COLLECTIONS.items() for handler in tag_routes(collection, noun)]
