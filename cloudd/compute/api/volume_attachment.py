"""/v2.1/servers/{id}/os-volume_attachments."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from msgspec import UNSET, UnsetType

from cloudd.compute.api.server_body import uuid_text
from cloudd.compute.api.shapes import Tag, Truth, field_since, since, truth
from cloudd.compute.domain.volume_attachment import VolumeAttachments
from cloudd.compute.store.block_device import BlockDevice
from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest
from cloudd.kit.web import route


class AttachmentCreate(msgspec.Struct, forbid_unknown_fields=True):
    volume_id: str = msgspec.field(name="volumeId")
    device: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    tag: Tag | UnsetType = UNSET
    delete_on_termination: Truth | UnsetType = UNSET


class AttachmentCreateRequest(msgspec.Struct, forbid_unknown_fields=True):
    attachment: AttachmentCreate = msgspec.field(name="volumeAttachment")


class AttachmentUpdate(msgspec.Struct, forbid_unknown_fields=True):
    volume_id: str = msgspec.field(name="volumeId")
    id: str | UnsetType = UNSET
    server_id: str | UnsetType = msgspec.field(name="serverId", default=UNSET)
    device: str | UnsetType | None = UNSET
    tag: str | UnsetType | None = UNSET
    delete_on_termination: Truth | UnsetType = UNSET


class AttachmentUpdateRequest(msgspec.Struct, forbid_unknown_fields=True):
    attachment: AttachmentUpdate = msgspec.field(name="volumeAttachment")


def attachment_view(ctx: Context, row: BlockDevice, *, is_new: bool = False) -> dict[str, Any]:
    view: dict[str, Any] = {"volumeId": row.volume_id, "serverId": row.server_id, "device": f"/dev/{row.device}"}
    if ctx.version < (2, 89) or is_new:
        # Upstream's id is the volume's, so that clients find the attachment by either.
        view["id"] = row.volume_id
    if ctx.version >= (2, 70):
        view["tag"] = row.tag
    if ctx.version >= (2, 79):
        view["delete_on_termination"] = row.delete_on_termination
    if ctx.version >= (2, 89) and not is_new:
        view |= {"attachment_id": row.id, "bdm_uuid": row.id}
    return view


@route("GET", "/v2.1/servers/{server_id:str}/os-volume_attachments", rule="compute:servers:show")
async def list_attachments(
    request: Request[Any, Any, Any], ctx: Context, volume_attachments: VolumeAttachments, server_id: str
) -> dict[str, Any]:
    rows = await volume_attachments.list(ctx, server_id)
    limit, offset = (_number(request.query_params.get(name), name) for name in ("limit", "offset"))
    rows = rows[offset or 0 :]
    return {"volumeAttachments": [attachment_view(ctx, row) for row in (rows if limit is None else rows[:limit])]}


def _number(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not text.isdigit():
        raise BadRequest(reason=f"{name} must be a whole number that is not negative.")
    return int(text)


@route("POST", "/v2.1/servers/{server_id:str}/os-volume_attachments", rule="compute:servers:volumes", status=200)
async def create_attachment(
    ctx: Context, volume_attachments: VolumeAttachments, server_id: str, data: AttachmentCreateRequest
) -> dict[str, Any]:
    wanted = data.attachment
    field_since(ctx, 49, wanted, "tag")
    field_since(ctx, 79, wanted, "delete_on_termination")
    row = await volume_attachments.attach(
        ctx,
        server_id,
        uuid_text(wanted.volume_id, "Invalid input for field/attribute volumeId."),
        device=wanted.device,
        tag=None if wanted.tag is UNSET else wanted.tag,
        delete_on_termination=truth(
            None if wanted.delete_on_termination is UNSET else wanted.delete_on_termination, "delete_on_termination"
        ),
    )
    return {"volumeAttachment": attachment_view(ctx, row, is_new=True)}


@route("GET", "/v2.1/servers/{server_id:str}/os-volume_attachments/{volume_id:str}", rule="compute:servers:show")
async def show_attachment(ctx: Context, volume_attachments: VolumeAttachments, server_id: str, volume_id: str) -> dict[str, Any]:
    return {"volumeAttachment": attachment_view(ctx, await volume_attachments.get(ctx, server_id, volume_id))}


@route("PUT", "/v2.1/servers/{server_id:str}/os-volume_attachments/{volume_id:str}", rule="compute:servers:volumes", status=202)
async def update_attachment(
    ctx: Context, volume_attachments: VolumeAttachments, server_id: str, volume_id: str, data: AttachmentUpdateRequest
) -> Response[None]:
    since(ctx, 85)
    wanted = data.attachment
    if wanted.volume_id != volume_id:
        raise BadRequest(reason="A volume in use cannot be exchanged for another; only delete_on_termination can be changed.")
    if wanted.delete_on_termination is not UNSET:
        keep = truth(wanted.delete_on_termination, "delete_on_termination")
        await volume_attachments.keep(ctx, server_id, volume_id, delete_on_termination=keep)
    return Response(None, status_code=202)


@route("DELETE", "/v2.1/servers/{server_id:str}/os-volume_attachments/{volume_id:str}", rule="compute:servers:volumes", status=202)
async def delete_attachment(ctx: Context, volume_attachments: VolumeAttachments, server_id: str, volume_id: str) -> Response[None]:
    await volume_attachments.detach(ctx, server_id, volume_id)
    return Response(None, status_code=202)
