"""Resource providers over HTTP."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response

from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest
from cloudd.kit.web import route
from cloudd.placement.api.answer import answer
from cloudd.placement.api.request_group import parse_member_of, parse_required, parse_resources
from cloudd.placement.domain.candidate import Candidates
from cloudd.placement.domain.landscape import Group
from cloudd.placement.domain.resource_provider import ResourceProviders
from cloudd.placement.errors import BadValue
from cloudd.placement.store.resource_provider import ResourceProvider

PREFIX = "/placement"
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
#: what each microversion added to a provider's links
_LINKS = (("inventories", 0), ("usages", 0), ("aggregates", 1), ("traits", 6), ("allocations", 11))
#: the filters of the list, each with the microversion that brought it
_FILTERS = {"name": 0, "uuid": 0, "member_of": 3, "resources": 4, "in_tree": 14, "required": 18}


class ProviderCreate(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    uuid: UUID | None = None
    parent_provider_uuid: UUID | None = None


class ProviderUpdate(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    parent_provider_uuid: UUID | msgspec.UnsetType | None = msgspec.UNSET


def view(ctx: Context, provider: ResourceProvider) -> dict[str, Any]:
    path = f"{PREFIX}/resource_providers/{provider.id}"
    links = [{"rel": "self", "href": path}]
    links += [{"rel": rel, "href": f"{path}/{rel}"} for rel, minor in _LINKS if ctx.version >= (1, minor)]
    body: dict[str, Any] = {"uuid": provider.id, "name": provider.name, "generation": provider.generation, "links": links}
    if ctx.version >= (1, 14):
        body |= {"parent_provider_uuid": provider.parent_id, "root_provider_uuid": provider.root_id}
    return body


@route("GET", "/resource_providers", rule="placement:resource_providers:list")
async def list_providers(
    ctx: Context, request: Request[Any, Any, Any], providers: ResourceProviders, candidates: Candidates
) -> Response[Any]:
    query = request.query_params
    for key in query:
        if key not in _FILTERS or ctx.version < (1, _FILTERS[key]):
            raise BadValue(reason=f"Invalid query string parameters: {key!r} is not allowed.")
    found = await providers.find(query.get("name"), query.get("uuid"), query.get("in_tree"))
    if {"member_of", "resources", "required"} & set(query):
        required, forbidden = parse_required(query.getall("required", []), ctx.version)
        member_of, not_member_of = parse_member_of(query.getall("member_of", []), ctx.version)
        resources = parse_resources(query["resources"]) if "resources" in query else {}
        group = Group(resources=resources, required=required, forbidden=forbidden, member_of=member_of, not_member_of=not_member_of)
        admitted = await candidates.admitted(group)
        found = [provider for provider in found if provider.id in admitted]
    latest = max((provider.updated_at for provider in found), default=None)
    return answer(ctx, {"resource_providers": [view(ctx, provider) for provider in found]}, modified=latest)


@route("POST", "/resource_providers", rule="placement:resource_providers:create", status=201)
async def create_provider(ctx: Context, data: ProviderCreate, providers: ResourceProviders) -> Response[Any]:
    if data.parent_provider_uuid is not None and ctx.version < (1, 14):
        raise BadRequest(reason="parent_provider_uuid needs microversion 1.14.")
    parent_id = str(data.parent_provider_uuid) if data.parent_provider_uuid else None
    provider = await providers.create(data.name, str(data.uuid) if data.uuid else None, parent_id)
    location = {"Location": f"{PREFIX}/resource_providers/{provider.id}"}
    if ctx.version < (1, 20):
        return answer(ctx, None, status=201, headers=location)
    return answer(ctx, view(ctx, provider), modified=provider.updated_at, headers=location)


@route("GET", "/resource_providers/{provider_id:str}", rule="placement:resource_providers:show")
async def show_provider(ctx: Context, provider_id: str, providers: ResourceProviders) -> Response[Any]:
    provider = await providers.show(provider_id)
    return answer(ctx, view(ctx, provider), modified=provider.updated_at)


@route("PUT", "/resource_providers/{provider_id:str}", rule="placement:resource_providers:update")
async def update_provider(ctx: Context, provider_id: str, data: ProviderUpdate, providers: ResourceProviders) -> Response[Any]:
    parent = data.parent_provider_uuid
    if parent is not msgspec.UNSET and ctx.version < (1, 14):
        raise BadRequest(reason="parent_provider_uuid needs microversion 1.14.")
    parent_id = str(parent) if isinstance(parent, UUID) else parent
    provider = await providers.update(provider_id, data.name, parent_id, may_move=ctx.version >= (1, 37))
    return answer(ctx, view(ctx, provider), modified=provider.updated_at)


@route("DELETE", "/resource_providers/{provider_id:str}", rule="placement:resource_providers:delete", status=204)
async def delete_provider(provider_id: str, providers: ResourceProviders) -> None:
    await providers.delete(provider_id)
