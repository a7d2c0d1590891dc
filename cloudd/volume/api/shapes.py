"""How volumes, snapshots and types look over HTTP."""

from typing import Any

from litestar import Request

from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro
from cloudd.kit.paging import Page, next_link, parse_page
from cloudd.kit.settings import ApiSettings
from cloudd.volume.domain.volume_type import allows_multiattach
from cloudd.volume.store.attachment import Attachment
from cloudd.volume.store.snapshot import Snapshot
from cloudd.volume.store.volume import Volume
from cloudd.volume.store.volume_type import VolumeType

SORTABLE = {
    "id": "id", "name": "name", "display_name": "name", "status": "status", "size": "size", "created_at": "created_at",
    "updated_at": "updated_at", "availability_zone": "availability_zone", "bootable": "bootable", "host": "host",
    "volume_type_id": "type_id", "snapshot_id": "snapshot_id", "source_volid": "source_volume_id",
}  # fmt: skip


class Links:
    """Where clients reach this service."""

    def __init__(self, settings: ApiSettings) -> None:
        self.base = f"{settings.public_url}/volume"

    def of(self, project_id: str, noun: str, identity: str) -> list[dict[str, str]]:
        return [
            {"rel": "self", "href": f"{self.base}/v3/{project_id}/{noun}/{identity}"},
            {"rel": "bookmark", "href": f"{self.base}/{project_id}/{noun}/{identity}"},
        ]

    def next(self, request: Request[Any, Any, Any], page: Page, ids: list[str]) -> list[dict[str, str]]:
        """The link to the next page, when this one is full and was asked to be limited."""
        if not ids or len(ids) < page.limit or "limit" not in request.query_params:
            return []
        query = {key: value for key, value in request.query_params.items() if key != "offset"}
        return [{"rel": "next", "href": next_link(f"{self.base}{request.url.path}", query, ids[-1])}]


class Slice:
    """The page that a query asks for, with `offset` beside the marker."""

    def __init__(self, request: Request[Any, Any, Any], sortable: dict[str, str]) -> None:
        query = request.query_params
        self.page = parse_page(query, sortable, [("created_at", True)])
        offset = query.get("offset", "")
        self.offset = int(offset) if offset.isdigit() else 0
        self.empty = query.get("limit") == "0"

    @property
    def widened(self) -> Page:
        return Page(self.page.limit + self.offset, self.page.marker, self.page.sort)

    def cut(self, rows: list[Any]) -> list[Any]:
        return [] if self.empty else rows[self.offset :]


def attachment_part(ctx: Context, attachment: Attachment) -> dict[str, Any]:
    """An attachment as a volume shows it."""
    return {
        "id": attachment.volume_id,
        "attachment_id": attachment.id,
        "volume_id": attachment.volume_id,
        "server_id": attachment.server_id,
        "host_name": attachment.host if ctx.is_admin else None,
        "device": attachment.device,
        "attached_at": iso_micro(attachment.attached_at),
    }


def volume_base(ctx: Context, links: Links, volume: Volume, type_name: str, attachments: list[Attachment]) -> dict[str, Any]:
    """What create and update answer with."""
    metadata = dict(volume.metadata)
    if volume.read_only is not None:
        metadata["readonly"] = str(volume.read_only)
    if attachments:
        metadata["attached_mode"] = attachments[0].mode
    body: dict[str, Any] = {
        "id": volume.id,
        "name": volume.name,
        "description": volume.description,
        "status": volume.status,
        "size": volume.size,
        "availability_zone": volume.availability_zone,
        "bootable": "true" if volume.bootable else "false",
        "encrypted": False,
        "multiattach": volume.multiattach,
        "volume_type": type_name,
        "snapshot_id": volume.snapshot_id,
        "source_volid": volume.source_volume_id,
        "consistencygroup_id": None,
        "replication_status": None,
        "migration_status": None,
        "metadata": metadata,
        "user_id": volume.user_id,
        "created_at": iso_micro(volume.created_at),
        "updated_at": iso_micro(volume.updated_at),
        "attachments": [attachment_part(ctx, attachment) for attachment in attachments],
        "links": links.of(volume.project_id, "volumes", volume.id),
    }
    later: tuple[tuple[int, dict[str, Any]], ...] = (
        (13, {"group_id": None}),
        (48, {"service_uuid": None, "shared_targets": False}),
        (63, {"volume_type_id": volume.type_id}),
        (65, {"consumes_quota": True}),
    )
    for minor, fields in later:
        if ctx.version >= (3, minor):
            body |= fields
    if ctx.is_admin:
        body |= {"provider_id": None} if ctx.version >= (3, 21) else {}
        body |= {"cluster_name": None} if ctx.version >= (3, 61) else {}
    return body


def volume_view(ctx: Context, links: Links, volume: Volume, type_name: str, attachments: list[Attachment]) -> dict[str, Any]:
    body = volume_base(ctx, links, volume, type_name, attachments)
    body["os-vol-tenant-attr:tenant_id"] = volume.project_id
    if volume.image_metadata:
        body["volume_image_metadata"] = volume.image_metadata
    if ctx.is_admin:
        where = f"{volume.host}@{volume.driver}#{volume.driver}" if volume.host else None
        body |= {"os-vol-host-attr:host": where, "os-vol-mig-status-attr:migstat": None, "os-vol-mig-status-attr:name_id": None}
    return body


def snapshot_base(ctx: Context, snapshot: Snapshot) -> dict[str, Any]:
    """What create and update answer with."""
    body: dict[str, Any] = {
        "id": snapshot.id,
        "volume_id": snapshot.volume_id,
        "name": snapshot.name,
        "description": snapshot.description,
        "status": snapshot.status,
        "size": snapshot.size,
        "metadata": snapshot.metadata,
        "created_at": iso_micro(snapshot.created_at),
        "updated_at": iso_micro(snapshot.updated_at),
    }
    later: tuple[tuple[int, dict[str, Any]], ...] = (
        (14, {"group_snapshot_id": None}),
        (41, {"user_id": snapshot.user_id}),
        (65, {"consumes_quota": True}),
    )
    for minor, fields in later:
        if ctx.version >= (3, minor):
            body |= fields
    return body


def snapshot_view(ctx: Context, snapshot: Snapshot) -> dict[str, Any]:
    return {
        **snapshot_base(ctx, snapshot),
        "os-extended-snapshot-attributes:progress": "100%" if snapshot.status == "available" else "0%",
        "os-extended-snapshot-attributes:project_id": snapshot.project_id,
    }


def type_base(kind: VolumeType) -> dict[str, Any]:
    return {"id": kind.id, "name": kind.name, "description": kind.description, "is_public": kind.is_public}


def type_view(ctx: Context, kind: VolumeType) -> dict[str, Any]:
    body = {**type_base(kind), "os-volume-type-access:is_public": kind.is_public}
    if ctx.is_admin:
        body |= {"extra_specs": kind.extra_specs, "qos_specs_id": None}
    elif allows_multiattach(kind):
        body["extra_specs"] = {"multiattach": kind.extra_specs["multiattach"]}
    return body
