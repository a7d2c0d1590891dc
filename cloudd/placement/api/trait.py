"""Traits over HTTP."""

import re
from typing import Any

import msgspec
from litestar import Request, Response

from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest
from cloudd.kit.web import route
from cloudd.placement.api.answer import answer, since
from cloudd.placement.api.inventory import BASE
from cloudd.placement.api.resource_provider import PREFIX
from cloudd.placement.domain.inventory import Count
from cloudd.placement.domain.trait import Traits
from cloudd.placement.errors import BadValue


class TraitsReplace(msgspec.Struct, forbid_unknown_fields=True):
    resource_provider_generation: Count
    traits: list[str]


@route("GET", "/traits", rule="placement:traits:list")
async def list_traits(ctx: Context, request: Request[Any, Any, Any], traits: Traits) -> Response[Any]:
    since(ctx, 6)
    query = request.query_params
    if unknown := set(query) - {"name", "associated"}:
        raise BadValue(reason=f"Invalid query string parameters: {sorted(unknown)[0]!r} is not allowed.")
    associated = query.get("associated")
    if associated is not None and associated.lower() not in ("true", "false"):
        raise BadValue(reason='The query parameter "associated" only accepts "true" or "false".')
    names = await traits.names(associated=None if associated is None else associated.lower() == "true")
    if wanted := query.get("name"):
        operator, _, value = wanted.partition(":")
        if operator == "in":
            names = [name for name in names if name in value.split(",")]
        elif operator == "startswith":
            names = [name for name in names if name.startswith(value)]
        else:
            raise BadValue(reason="Badly formatted name parameter. Expected the form ?name=[in|startswith]:name.")
    return answer(ctx, {"traits": names})


@route("GET", "/traits/{name:str}", rule="placement:traits:show", status=204)
async def show_trait(ctx: Context, name: str, traits: Traits) -> Response[None]:
    since(ctx, 6)
    await traits.exists(name)
    return answer(ctx, None, status=204)


@route("PUT", "/traits/{name:str}", rule="placement:traits:update", status=201)
async def ensure_trait(ctx: Context, name: str, traits: Traits) -> Response[None]:
    since(ctx, 6)
    if not re.fullmatch(r"CUSTOM_[A-Z0-9_]+", name) or len(name) > 255:
        raise BadRequest(reason=f"A custom trait has at most 255 characters and matches CUSTOM_[A-Z0-9_]+; {name!r} does not.")
    new = await traits.ensure(name)
    return answer(ctx, None, status=201 if new else 204, headers={"Location": f"{PREFIX}/traits/{name}"})


@route("DELETE", "/traits/{name:str}", rule="placement:traits:delete", status=204)
async def delete_trait(ctx: Context, name: str, traits: Traits) -> None:
    since(ctx, 6)
    await traits.delete(name)


@route("GET", f"{BASE}/traits", rule="placement:resource_providers:traits:list")
async def list_provider_traits(ctx: Context, provider_id: str, traits: Traits) -> Response[Any]:
    since(ctx, 6)
    generation, names = await traits.of(provider_id)
    return answer(ctx, {"resource_provider_generation": generation, "traits": names})


@route("PUT", f"{BASE}/traits", rule="placement:resource_providers:traits:update")
async def replace_provider_traits(ctx: Context, provider_id: str, data: TraitsReplace, traits: Traits) -> Response[Any]:
    since(ctx, 6)
    generation, names = await traits.replace(provider_id, data.resource_provider_generation, set(data.traits))
    return answer(ctx, {"resource_provider_generation": generation, "traits": names})


@route("DELETE", f"{BASE}/traits", rule="placement:resource_providers:traits:delete", status=204)
async def delete_provider_traits(ctx: Context, provider_id: str, traits: Traits) -> None:
    since(ctx, 6)
    await traits.replace(provider_id, None, set())
