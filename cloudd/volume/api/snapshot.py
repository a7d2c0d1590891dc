"""Snapshots over HTTP."""

from typing import Any

import msgspec
from litestar import Request, Response

from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest
from cloudd.volume.api.path import nothing, on
from cloudd.volume.api.shapes import SORTABLE, Links, Slice, snapshot_base, snapshot_view
from cloudd.volume.api.volume import Name, VolumeUpdate, changes_of
from cloudd.volume.api.volume_action import Empty, Flag, admin, flag
from cloudd.volume.domain.listing import is_true, snapshot_filters
from cloudd.volume.domain.snapshot import SETTABLE_STATUSES, Snapshots, SnapshotSpec
from cloudd.volume.store.snapshot import Snapshot

_SORTABLE = {key: SORTABLE[key] for key in ("id", "name", "display_name", "status", "size", "created_at", "updated_at")}


class SnapshotCreate(msgspec.Struct):
    volume_id: str | None = None
    name: Name | None = None
    display_name: Name | None = None
    description: Name | None = None
    display_description: Name | None = None
    metadata: dict[str, str] | None = None
    force: Flag | msgspec.UnsetType | None = msgspec.UNSET


class SnapshotCreateRequest(msgspec.Struct):
    snapshot: SnapshotCreate


class SnapshotUpdateRequest(msgspec.Struct):
    snapshot: VolumeUpdate


class Status(msgspec.Struct):
    status: str
    progress: str | None = None


class SnapshotAction(msgspec.Struct, kw_only=True):
    reset_status: Status | msgspec.UnsetType = msgspec.field(name="os-reset_status", default=msgspec.UNSET)
    update_status: Status | msgspec.UnsetType = msgspec.field(name="os-update_snapshot_status", default=msgspec.UNSET)
    force_delete: Empty = msgspec.field(name="os-force_delete", default=msgspec.UNSET)


def forced(ctx: Context, data: SnapshotCreate) -> bool:
    """Whether an attached volume may be taken; from 3.66 always, and saying so is pointless, saying no is refused."""
    if data.force is msgspec.UNSET or data.force is None:
        return ctx.version >= (3, 66)
    wanted = flag(data.force, "force")
    if ctx.version >= (3, 66) and not wanted:
        raise BadRequest(reason="force must not be false from microversion 3.66.")
    return wanted


@on("POST", "/snapshots", rule="volume:create_snapshot", status=202)
async def create_snapshot(ctx: Context, data: SnapshotCreateRequest, snapshots: Snapshots) -> dict[str, Any]:
    given = data.snapshot
    spec = SnapshotSpec(
        volume_id=given.volume_id or "", name=given.name or given.display_name, description=given.description or given.display_description,
        metadata=given.metadata or {}, force=forced(ctx, given),
    )  # fmt: skip
    return {"snapshot": snapshot_base(ctx, await snapshots.create(ctx, spec))}


async def listed(
    ctx: Context, request: Request[Any, Any, Any], snapshots: Snapshots, links: Links
) -> tuple[list[Snapshot], dict[str, Any]]:
    part, where = Slice(request, _SORTABLE), snapshot_filters(ctx, request.query_params)
    found = part.cut(await snapshots.page(part.widened, where))
    beside: dict[str, Any] = {}
    if following := links.next(request, part.page, [snapshot.id for snapshot in found]):
        beside["snapshots_links"] = following
    if ctx.version >= (3, 45) and is_true(request.query_params.get("with_count")):
        beside["count"] = await snapshots.count(where)
    return found, beside


@on("GET", "/snapshots", rule="volume:get_snapshots")
async def list_snapshots(ctx: Context, request: Request[Any, Any, Any], snapshots: Snapshots, links: Links) -> dict[str, Any]:
    found, beside = await listed(ctx, request, snapshots, links)
    return {"snapshots": [snapshot_base(ctx, snapshot) for snapshot in found], **beside}


@on("GET", "/snapshots/detail", rule="volume:get_snapshots")
async def list_snapshots_in_detail(ctx: Context, request: Request[Any, Any, Any], snapshots: Snapshots, links: Links) -> dict[str, Any]:
    found, beside = await listed(ctx, request, snapshots, links)
    return {"snapshots": [snapshot_view(ctx, snapshot) for snapshot in found], **beside}


@on("GET", "/snapshots/{snapshot_id:str}", rule="volume:get_snapshot")
async def show_snapshot(ctx: Context, snapshot_id: str, snapshots: Snapshots) -> dict[str, Any]:
    return {"snapshot": snapshot_view(ctx, await snapshots.show(ctx, snapshot_id))}


@on("PUT", "/snapshots/{snapshot_id:str}", rule="volume:update_snapshot")
async def update_snapshot(ctx: Context, snapshot_id: str, data: SnapshotUpdateRequest, snapshots: Snapshots) -> dict[str, Any]:
    return {"snapshot": snapshot_base(ctx, await snapshots.update(ctx, snapshot_id, changes_of(data.snapshot)))}


@on("DELETE", "/snapshots/{snapshot_id:str}", rule="volume:delete_snapshot", status=202)
async def delete_snapshot(ctx: Context, snapshot_id: str, snapshots: Snapshots) -> Response[bytes]:
    await snapshots.delete(ctx, snapshot_id)
    return nothing(202)


@on("POST", "/snapshots/{snapshot_id:str}/action", rule="volume:snapshot_action", status=202)
async def act_on_snapshot(ctx: Context, snapshot_id: str, data: SnapshotAction, snapshots: Snapshots) -> Response[bytes]:
    admin(ctx)
    status = data.reset_status if data.reset_status is not msgspec.UNSET else data.update_status
    if (status is msgspec.UNSET) == (data.force_delete is msgspec.UNSET):
        raise BadRequest(reason="The body holds exactly one action that this API knows.")
    if status is msgspec.UNSET:
        await snapshots.delete(ctx, snapshot_id, force=True)
        return nothing(202)
    if status.status not in SETTABLE_STATUSES:
        raise BadRequest(reason=f"Invalid status {status.status!r}; valid are {', '.join(SETTABLE_STATUSES)}.")
    await snapshots.update(ctx, snapshot_id, {"status": status.status, "reason": None})
    return nothing(202)
