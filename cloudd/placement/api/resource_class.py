"""Resource classes over HTTP."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response

from cloudd.kit.auth import Context
from cloudd.kit.body import decode
from cloudd.kit.errors import BadRequest
from cloudd.kit.web import route
from cloudd.placement.api.answer import answer, since
from cloudd.placement.api.resource_provider import PREFIX
from cloudd.placement.domain.resource_class import ResourceClasses

CustomName = Annotated[str, msgspec.Meta(pattern="^CUSTOM_[A-Z0-9_]+$", max_length=255)]


class ResourceClassCreate(msgspec.Struct, forbid_unknown_fields=True):
    name: CustomName


def path_of(name: str) -> str:
    return f"{PREFIX}/resource_classes/{name}"


def view(name: str) -> dict[str, Any]:
    return {"name": name, "links": [{"rel": "self", "href": path_of(name)}]}


@route("GET", "/resource_classes", rule="placement:resource_classes:list")
async def list_classes(ctx: Context, classes: ResourceClasses) -> Response[Any]:
    since(ctx, 2)
    return answer(ctx, {"resource_classes": [view(name) for name in await classes.names()]})


@route("POST", "/resource_classes", rule="placement:resource_classes:create", status=201)
async def create_class(ctx: Context, data: ResourceClassCreate, classes: ResourceClasses) -> Response[None]:
    since(ctx, 2)
    await classes.create(data.name)
    return answer(ctx, None, status=201, headers={"Location": path_of(data.name)})


@route("GET", "/resource_classes/{name:str}", rule="placement:resource_classes:show")
async def show_class(ctx: Context, name: str, classes: ResourceClasses) -> Response[Any]:
    since(ctx, 2)
    return answer(ctx, view(await classes.show(name)))


@route("PUT", "/resource_classes/{name:str}", rule="placement:resource_classes:update", status=201)
async def update_class(ctx: Context, request: Request[Any, Any, Any], name: str, classes: ResourceClasses) -> Response[Any]:
    """From 1.7 make sure that the class exists; below, rename it."""
    since(ctx, 2)
    if ctx.version < (1, 7):
        new = decode(await request.body(), ResourceClassCreate).name
        await classes.rename(name, new)
        return answer(ctx, view(new))
    try:
        msgspec.convert(name, CustomName)
    except msgspec.ValidationError:
        raise BadRequest(reason=f"Resource class name {name!r} must match CUSTOM_[A-Z0-9_]+ with at most 255 characters.") from None
    new_class = await classes.ensure(name)
    return answer(ctx, None, status=201 if new_class else 204, headers={"Location": path_of(name)})


@route("DELETE", "/resource_classes/{name:str}", rule="placement:resource_classes:delete", status=204)
async def delete_class(ctx: Context, name: str, classes: ResourceClasses) -> None:
    since(ctx, 2)
    await classes.delete(name)
