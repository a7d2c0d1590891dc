"""Volume types, their extra specs and their access over HTTP."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response

from cloudd.kit.auth import Context
from cloudd.kit.body import decode
from cloudd.kit.errors import BadRequest
from cloudd.volume.api.path import nothing, on, since
from cloudd.volume.api.shapes import type_base, type_view
from cloudd.volume.domain.listing import is_true
from cloudd.volume.domain.volume_type import VolumeTypes
from cloudd.volume.errors import ExtraSpecNotFound

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Description = Annotated[str, msgspec.Meta(max_length=255)]
Specs = dict[str, str]


class TypeCreate(msgspec.Struct):
    name: Name
    description: Description | None = None
    extra_specs: Specs | None = None
    is_public: bool | msgspec.UnsetType = msgspec.field(name="os-volume-type-access:is_public", default=msgspec.UNSET)
    also_public: bool | msgspec.UnsetType = msgspec.field(name="is_public", default=msgspec.UNSET)


class TypeCreateRequest(msgspec.Struct):
    volume_type: TypeCreate


class TypeUpdate(msgspec.Struct):
    name: Name | msgspec.UnsetType | None = msgspec.UNSET
    description: Description | msgspec.UnsetType | None = msgspec.UNSET
    is_public: bool | msgspec.UnsetType | None = msgspec.UNSET


class TypeUpdateRequest(msgspec.Struct):
    volume_type: TypeUpdate


class ExtraSpecs(msgspec.Struct):
    extra_specs: Annotated[Specs, msgspec.Meta(min_length=1)]


class ProjectAccess(msgspec.Struct):
    project: Name


class TypeAction(msgspec.Struct):
    grant: ProjectAccess | msgspec.UnsetType = msgspec.field(name="addProjectAccess", default=msgspec.UNSET)
    revoke: ProjectAccess | msgspec.UnsetType = msgspec.field(name="removeProjectAccess", default=msgspec.UNSET)


def extra_spec_of(body: bytes, key: str) -> Specs:
    specs = decode(body, Specs)
    if list(specs) != [key]:
        raise BadRequest(reason="Request body and URI mismatch: the body holds exactly the key of the path.")
    return specs


@on("GET", "/types", rule="volume:get_types")
async def list_types(ctx: Context, request: Request[Any, Any, Any], types: VolumeTypes) -> dict[str, Any]:
    asked = request.query_params.get("is_public")
    public = None if (asked or "").lower() == "none" else True if asked is None else is_true(asked)
    return {"volume_types": [type_view(ctx, kind) for kind in await types.find(ctx, public, {})]}


@on("POST", "/types", rule="volume:manage_types", status=200)
async def create_type(ctx: Context, data: TypeCreateRequest, types: VolumeTypes) -> dict[str, Any]:
    given = data.volume_type
    public = given.also_public if given.is_public is msgspec.UNSET else given.is_public
    specs = given.extra_specs or {}
    kind = await types.create(given.name, given.description, is_public=public is not False, extra_specs=specs)
    return {"volume_type": {**type_base(kind), "os-volume-type-access:is_public": kind.is_public, "extra_specs": specs}}


@on("GET", "/types/default", rule="volume:get_default_type")
async def show_default_type(ctx: Context, types: VolumeTypes) -> dict[str, Any]:
    return {"volume_type": type_view(ctx, await types.show(ctx, None))}


@on("GET", "/types/{type_id:str}", rule="volume:get_type")
async def show_type(ctx: Context, type_id: str, types: VolumeTypes) -> dict[str, Any]:
    return {"volume_type": type_view(ctx, await types.show(ctx, type_id))}


@on("PUT", "/types/{type_id:str}", rule="volume:manage_types")
async def update_type(ctx: Context, type_id: str, data: TypeUpdateRequest, types: VolumeTypes) -> dict[str, Any]:
    given = msgspec.structs.asdict(data.volume_type)
    changes = {key: value for key, value in given.items() if value is not msgspec.UNSET and not (value is None and key != "description")}
    if not changes:
        raise BadRequest(reason="Specify volume type name, description or is_public.")
    kind = await types.update(ctx, type_id, changes)
    return {"volume_type": {**type_base(kind), "extra_specs": kind.extra_specs}}


@on("DELETE", "/types/{type_id:str}", rule="volume:manage_types", status=202)
async def delete_type(ctx: Context, type_id: str, types: VolumeTypes) -> Response[bytes]:
    await types.delete(ctx, type_id)
    return nothing(202)


@on("GET", "/types/{type_id:str}/extra_specs", rule="volume:manage_type_extra_specs")
async def list_extra_specs(ctx: Context, type_id: str, types: VolumeTypes) -> dict[str, Any]:
    return {"extra_specs": (await types.show(ctx, type_id)).extra_specs}


@on("POST", "/types/{type_id:str}/extra_specs", rule="volume:manage_type_extra_specs", status=200)
async def add_extra_specs(ctx: Context, type_id: str, data: ExtraSpecs, types: VolumeTypes) -> dict[str, Any]:
    await types.set_extra_specs(ctx, type_id, data.extra_specs)
    return {"extra_specs": data.extra_specs}


@on("GET", "/types/{type_id:str}/extra_specs/{key:str}", rule="volume:manage_type_extra_specs")
async def show_extra_spec(ctx: Context, type_id: str, key: str, types: VolumeTypes) -> dict[str, Any]:
    specs = (await types.show(ctx, type_id)).extra_specs
    if key not in specs:
        raise ExtraSpecNotFound(type_id=type_id, key=key)
    return {key: specs[key]}


@on("PUT", "/types/{type_id:str}/extra_specs/{key:str}", rule="volume:manage_type_extra_specs")
async def set_extra_spec(ctx: Context, type_id: str, key: str, request: Request[Any, Any, Any], types: VolumeTypes) -> dict[str, Any]:
    """The body's one key is the path's, which no fixed shape can tell."""
    body = extra_spec_of(await request.body(), key)
    await types.set_extra_specs(ctx, type_id, body)
    return body


@on("DELETE", "/types/{type_id:str}/extra_specs/{key:str}", rule="volume:manage_type_extra_specs", status=202)
async def delete_extra_spec(ctx: Context, type_id: str, key: str, types: VolumeTypes) -> Response[bytes]:
    await types.remove_extra_spec(ctx, type_id, key)
    return nothing(202)


@on("GET", "/types/{type_id:str}/os-volume-type-access", rule="volume:get_type_access")
async def list_type_access(ctx: Context, type_id: str, types: VolumeTypes) -> dict[str, Any]:
    found = await types.projects(ctx, type_id)
    return {"volume_type_access": [{"volume_type_id": access.type_id, "project_id": access.project_id} for access in found]}


@on("POST", "/types/{type_id:str}/action", rule="volume:manage_type_access", status=202)
async def act_on_type(ctx: Context, type_id: str, data: TypeAction, types: VolumeTypes) -> Response[bytes]:
    if data.grant is not msgspec.UNSET and data.revoke is msgspec.UNSET:
        await types.grant(ctx, type_id, data.grant.project)
    elif data.revoke is not msgspec.UNSET and data.grant is msgspec.UNSET:
        await types.revoke(ctx, type_id, data.revoke.project)
    else:
        raise BadRequest(reason="The body holds either addProjectAccess or removeProjectAccess.")
    return nothing(202)


@on("GET", "/default-types", rule="volume:manage_types")
async def list_default_types(ctx: Context) -> dict[str, Any]:
    """No project has a default of its own here: all share one."""
    since(ctx, 62)
    return {"default_types": []}
