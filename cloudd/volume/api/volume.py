"""Volumes over HTTP."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response

from cloudd.kit.auth import Context
from cloudd.volume.api.path import nothing, on, since
from cloudd.volume.api.shapes import SORTABLE, Links, Slice, volume_base, volume_view
from cloudd.volume.domain.attachment import Attachments
from cloudd.volume.domain.listing import is_true, volume_filters
from cloudd.volume.domain.volume import Volumes, VolumeSpec
from cloudd.volume.domain.volume_type import VolumeTypes
from cloudd.volume.errors import InvalidInput
from cloudd.volume.store.volume import Volume

Name = Annotated[str, msgspec.Meta(max_length=255)]
LARGEST_GIB = 2**31 - 1


class VolumeCreate(msgspec.Struct):
    """Upstream lets further keys pass; so does this."""

    size: int | str | None = None
    name: Name | None = None
    display_name: Name | None = None
    description: Name | None = None
    display_description: Name | None = None
    availability_zone: str | None = None
    volume_type: str | None = None
    snapshot_id: str | None = None
    source_volid: str | None = None
    image_ref: str | None = msgspec.field(name="imageRef", default=None)
    image_id: str | None = None
    metadata: dict[str, str] | None = None
    multiattach: bool | None = None
    consistencygroup_id: str | None = None
    group_id: str | None = None
    backup_id: str | None = None


class VolumeCreateRequest(msgspec.Struct):
    volume: VolumeCreate


class VolumeUpdate(msgspec.Struct):
    name: Name | msgspec.UnsetType | None = msgspec.UNSET
    display_name: Name | msgspec.UnsetType | None = msgspec.UNSET
    description: Name | msgspec.UnsetType | None = msgspec.UNSET
    display_description: Name | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class VolumeUpdateRequest(msgspec.Struct):
    volume: VolumeUpdate


def size_of(value: int | str | None) -> int | None:
    """A size in GiB, which clients also send as text."""
    if value is None:
        return None
    try:
        size = int(value)
    except ValueError:
        size = 0
    if not 1 <= size <= LARGEST_GIB:
        raise InvalidInput(reason=f"size must be a whole number of GiB greater than 0, not {value!r}.")
    return size


def spec_of(data: VolumeCreate) -> VolumeSpec:
    absent = {"consistencygroup_id": data.consistencygroup_id, "group_id": data.group_id, "backup_id": data.backup_id}
    if named := [key for key, value in absent.items() if value]:
        raise InvalidInput(reason=f"{named[0]} names nothing: this cloud has neither volume groups nor backups.")
    return VolumeSpec(
        size_gib=size_of(data.size), name=data.name or data.display_name, description=data.description or data.display_description,
        image_id=data.image_ref or data.image_id, snapshot_id=data.snapshot_id, source_volume_id=data.source_volid,
        volume_type=data.volume_type, availability_zone=data.availability_zone, metadata=data.metadata or {},
        multiattach=bool(data.multiattach),
    )  # fmt: skip


def changes_of(data: VolumeUpdate) -> dict[str, Any]:
    given = {
        "name": data.name if data.display_name is msgspec.UNSET else data.display_name,
        "description": data.description if data.display_description is msgspec.UNSET else data.display_description,
        "metadata": data.metadata,
    }
    return {key: value for key, value in given.items() if value is not msgspec.UNSET}


class VolumeViews:
    """Views of volumes with what other tables say of them."""

    def __init__(self, links: Links, types: VolumeTypes, attachments: Attachments) -> None:
        self.links = links
        self.types = types
        self.attachments = attachments

    async def all(self, ctx: Context, volumes: list[Volume]) -> list[dict[str, Any]]:
        names = await self.types.names()
        attached = await self.attachments.of_volumes([volume.id for volume in volumes])
        return [volume_view(ctx, self.links, volume, names.get(volume.type_id, ""), attached[volume.id]) for volume in volumes]

    async def base(self, ctx: Context, volume: Volume) -> dict[str, Any]:
        attached = await self.attachments.of_volumes([volume.id])
        return volume_base(ctx, self.links, volume, (await self.types.names()).get(volume.type_id, ""), attached[volume.id])


@on("POST", "/volumes", rule="volume:create", status=202)
async def create_volume(ctx: Context, data: VolumeCreateRequest, volumes: Volumes, views: VolumeViews) -> dict[str, Any]:
    return {"volume": await views.base(ctx, await volumes.create(ctx, spec_of(data.volume)))}


async def listed(ctx: Context, request: Request[Any, Any, Any], volumes: Volumes, links: Links) -> tuple[list[Volume], dict[str, Any]]:
    """The volumes asked for, and what stands beside them in the body."""
    part, where = Slice(request, SORTABLE), volume_filters(ctx, request.query_params)
    found = part.cut(await volumes.page(part.widened, where))
    beside: dict[str, Any] = {}
    if following := links.next(request, part.page, [volume.id for volume in found]):
        beside["volumes_links"] = following
    if ctx.version >= (3, 45) and is_true(request.query_params.get("with_count")):
        beside["count"] = await volumes.count(where)
    return found, beside


@on("GET", "/volumes", rule="volume:get_all")
async def list_volumes(ctx: Context, request: Request[Any, Any, Any], volumes: Volumes, links: Links) -> dict[str, Any]:
    found, beside = await listed(ctx, request, volumes, links)
    brief = [{"id": v.id, "name": v.name, "links": links.of(v.project_id, "volumes", v.id)} for v in found]
    return {"volumes": brief, **beside}


@on("GET", "/volumes/detail", rule="volume:get_all")
async def list_volumes_in_detail(
    ctx: Context, request: Request[Any, Any, Any], volumes: Volumes, links: Links, views: VolumeViews
) -> dict[str, Any]:
    found, beside = await listed(ctx, request, volumes, links)
    return {"volumes": await views.all(ctx, found), **beside}


@on("GET", "/volumes/summary", rule="volume:get_all")
async def summarize_volumes(ctx: Context, request: Request[Any, Any, Any], volumes: Volumes) -> dict[str, Any]:
    since(ctx, 12)
    summary = await volumes.summary(volume_filters(ctx, request.query_params))
    body: dict[str, Any] = {"total_size": summary.size_gib, "total_count": summary.count}
    if ctx.version >= (3, 36):
        body["metadata"] = summary.metadata
    return {"volume-summary": body}


@on("GET", "/volumes/{volume_id:str}", rule="volume:get")
async def show_volume(ctx: Context, volume_id: str, volumes: Volumes, views: VolumeViews) -> dict[str, Any]:
    return {"volume": (await views.all(ctx, [await volumes.show(ctx, volume_id)]))[0]}


@on("PUT", "/volumes/{volume_id:str}", rule="volume:update")
async def update_volume(ctx: Context, volume_id: str, data: VolumeUpdateRequest, volumes: Volumes, views: VolumeViews) -> dict[str, Any]:
    return {"volume": await views.base(ctx, await volumes.update(ctx, volume_id, changes_of(data.volume)))}


@on("DELETE", "/volumes/{volume_id:str}", rule="volume:delete", status=202)
async def delete_volume(ctx: Context, volume_id: str, request: Request[Any, Any, Any], volumes: Volumes) -> Response[bytes]:
    query = request.query_params
    force = ctx.version >= (3, 23) and ctx.is_admin and is_true(query.get("force"))
    await volumes.delete(ctx, volume_id, cascade=is_true(query.get("cascade")), force=force)
    return nothing(202)
