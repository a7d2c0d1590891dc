"""Attachments over HTTP (since 3.27): users see them, the cloud's administrator may keep them by hand."""

from typing import Any
from uuid import uuid4

import msgspec
from litestar import Request

from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro
from cloudd.kit.errors import BadRequest
from cloudd.volume.api.path import on, since
from cloudd.volume.api.shapes import Links, Slice
from cloudd.volume.domain.attachment import Attachments
from cloudd.volume.domain.listing import attachment_filters
from cloudd.volume.store.attachment import Attachment


class AttachmentCreate(msgspec.Struct):
    volume_uuid: str
    instance_uuid: str | None = None
    connector: dict[str, Any] | None = None
    mode: str | None = None


class AttachmentCreateRequest(msgspec.Struct):
    attachment: AttachmentCreate


class AttachmentUpdate(msgspec.Struct):
    connector: dict[str, Any]


class AttachmentUpdateRequest(msgspec.Struct):
    attachment: AttachmentUpdate


class AttachmentAction(msgspec.Struct):
    complete: dict[str, Any] | None = msgspec.field(name="os-complete")


def brief(attachment: Attachment) -> dict[str, Any]:
    return {"id": attachment.id, "status": attachment.status, "instance": attachment.server_id, "volume_id": attachment.volume_id}


def view(ctx: Context, attachment: Attachment) -> dict[str, Any]:
    """The connection holds a host's paths: an administrator's to see."""
    return {
        **brief(attachment),
        "attach_mode": attachment.mode,
        "attached_at": iso_micro(attachment.attached_at),
        "detached_at": None,
        "connection_info": (attachment.connection or {}) if ctx.is_admin else {},
    }


async def listed(
    ctx: Context, request: Request[Any, Any, Any], attachments: Attachments, links: Links
) -> tuple[list[Attachment], dict[str, Any]]:
    since(ctx, 27)
    part = Slice(request, {key: key for key in ("id", "status", "created_at", "volume_id")})
    found = part.cut(await attachments.page(part.widened, attachment_filters(ctx, request.query_params)))
    following = links.next(request, part.page, [attachment.id for attachment in found])
    return found, {"attachments_links": following} if following else {}


@on("GET", "/attachments", rule="volume:get_attachments")
async def list_attachments(ctx: Context, request: Request[Any, Any, Any], attachments: Attachments, links: Links) -> dict[str, Any]:
    found, beside = await listed(ctx, request, attachments, links)
    return {"attachments": [brief(attachment) for attachment in found], **beside}


@on("GET", "/attachments/detail", rule="volume:get_attachments")
async def list_attachments_in_detail(
    ctx: Context, request: Request[Any, Any, Any], attachments: Attachments, links: Links
) -> dict[str, Any]:
    found, beside = await listed(ctx, request, attachments, links)
    return {"attachments": [view(ctx, attachment) for attachment in found], **beside}


@on("POST", "/attachments", rule="volume:manage_attachments", status=200)
async def create_attachment(ctx: Context, data: AttachmentCreateRequest, attachments: Attachments) -> dict[str, Any]:
    since(ctx, 27)
    given = data.attachment
    mode = given.mode or "rw"
    if mode not in ("rw", "ro"):
        raise BadRequest(reason=f"Invalid attach mode {mode!r}; valid are rw and ro.")
    identity = str(uuid4())
    await attachments.reserve_for(ctx, given.volume_uuid, given.instance_uuid, identity, mode)
    if given.connector:
        await attachments.connect(ctx, identity, given.connector)
    return {"attachment": view(ctx, await attachments.show(ctx, identity))}


@on("GET", "/attachments/{attachment_id:str}", rule="volume:get_attachment")
async def show_attachment(ctx: Context, attachment_id: str, attachments: Attachments) -> dict[str, Any]:
    since(ctx, 27)
    return {"attachment": view(ctx, await attachments.show(ctx, attachment_id))}


@on("PUT", "/attachments/{attachment_id:str}", rule="volume:manage_attachments")
async def update_attachment(ctx: Context, attachment_id: str, data: AttachmentUpdateRequest, attachments: Attachments) -> dict[str, Any]:
    since(ctx, 27)
    await attachments.connect(ctx, attachment_id, data.attachment.connector)
    return {"attachment": view(ctx, await attachments.show(ctx, attachment_id))}


@on("DELETE", "/attachments/{attachment_id:str}", rule="volume:manage_attachments", status=200)
async def delete_attachment(ctx: Context, attachment_id: str, attachments: Attachments) -> dict[str, Any]:
    since(ctx, 27)
    attachment = await attachments.show(ctx, attachment_id)
    await attachments.detach(attachment.volume_id, attachment_id)
    return {"attachments": []}


@on("POST", "/attachments/{attachment_id:str}/action", rule="volume:manage_attachments", status=204)
async def complete_attachment(ctx: Context, attachment_id: str, data: AttachmentAction, attachments: Attachments) -> None:
    """The connection is complete as soon as it is made; this checks that it is (3.44)."""
    since(ctx, 44)
    if (await attachments.show(ctx, attachment_id)).status != "attached":
        raise BadRequest(reason=f"Attachment {attachment_id} has no connection yet; update it with a connector first.")
