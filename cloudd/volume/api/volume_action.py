"""Actions on volumes over HTTP: one body, one action in it."""

from typing import Annotated, Any
from uuid import uuid4

import msgspec
from litestar import Response

from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro
from cloudd.kit.errors import BadRequest, Forbidden
from cloudd.volume.api.path import nothing, on
from cloudd.volume.api.volume import Name, size_of
from cloudd.volume.domain.attachment import Attachments
from cloudd.volume.domain.snapshot import Snapshots
from cloudd.volume.domain.upload import Uploads, UploadSpec
from cloudd.volume.domain.volume import SETTABLE_STATUSES, Volumes
from cloudd.volume.domain.volume_type import VolumeTypes
from cloudd.volume.errors import ServerHoldsVolume

Empty = dict[str, Any] | msgspec.UnsetType | None
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Flag = bool | str


class Extend(msgspec.Struct):
    new_size: int | str


class Bootable(msgspec.Struct):
    bootable: Flag


class ReadOnly(msgspec.Struct):
    readonly: Flag


class Retype(msgspec.Struct):
    new_type: Text
    migration_policy: str | None = None


class ResetStatus(msgspec.Struct):
    status: str | None = None
    attach_status: str | None = None
    migration_status: str | None = None


class Upload(msgspec.Struct):
    image_name: Name
    force: Flag = False
    disk_format: str = "raw"
    container_format: str = "bare"
    visibility: str = "private"
    protected: bool = False


class Attach(msgspec.Struct):
    mountpoint: str
    instance_uuid: str | None = None
    host_name: str | None = None
    mode: str = "rw"


class Detach(msgspec.Struct):
    attachment_id: str | None = None


class Connector(msgspec.Struct):
    connector: dict[str, Any]


class ImageMetadata(msgspec.Struct):
    metadata: dict[str, str]


class ImageMetadataKey(msgspec.Struct):
    key: Text


class Revert(msgspec.Struct):
    snapshot_id: str


class VolumeAction(msgspec.Struct, kw_only=True):
    extend: Extend | msgspec.UnsetType = msgspec.field(name="os-extend", default=msgspec.UNSET)
    set_bootable: Bootable | msgspec.UnsetType = msgspec.field(name="os-set_bootable", default=msgspec.UNSET)
    update_readonly: ReadOnly | msgspec.UnsetType = msgspec.field(name="os-update_readonly_flag", default=msgspec.UNSET)
    retype: Retype | msgspec.UnsetType = msgspec.field(name="os-retype", default=msgspec.UNSET)
    reset_status: ResetStatus | msgspec.UnsetType = msgspec.field(name="os-reset_status", default=msgspec.UNSET)
    force_delete: Empty = msgspec.field(name="os-force_delete", default=msgspec.UNSET)
    upload: Upload | msgspec.UnsetType = msgspec.field(name="os-volume_upload_image", default=msgspec.UNSET)
    reserve: Empty = msgspec.field(name="os-reserve", default=msgspec.UNSET)
    unreserve: Empty = msgspec.field(name="os-unreserve", default=msgspec.UNSET)
    begin_detaching: Empty = msgspec.field(name="os-begin_detaching", default=msgspec.UNSET)
    roll_detaching: Empty = msgspec.field(name="os-roll_detaching", default=msgspec.UNSET)
    attach: Attach | msgspec.UnsetType = msgspec.field(name="os-attach", default=msgspec.UNSET)
    detach: Detach | msgspec.UnsetType = msgspec.field(name="os-detach", default=msgspec.UNSET)
    force_detach: Detach | msgspec.UnsetType = msgspec.field(name="os-force_detach", default=msgspec.UNSET)
    initialize_connection: Connector | msgspec.UnsetType = msgspec.field(name="os-initialize_connection", default=msgspec.UNSET)
    terminate_connection: Connector | msgspec.UnsetType = msgspec.field(name="os-terminate_connection", default=msgspec.UNSET)
    set_image_metadata: ImageMetadata | msgspec.UnsetType = msgspec.field(name="os-set_image_metadata", default=msgspec.UNSET)
    unset_image_metadata: ImageMetadataKey | msgspec.UnsetType = msgspec.field(name="os-unset_image_metadata", default=msgspec.UNSET)
    show_image_metadata: Empty = msgspec.field(name="os-show_image_metadata", default=msgspec.UNSET)
    revert: Revert | msgspec.UnsetType = msgspec.UNSET


def flag(value: Flag, what: str) -> bool:
    """A boolean, which clients also send as text."""
    text = str(value).strip().lower()
    if text in ("1", "t", "true", "on", "y", "yes"):
        return True
    if text in ("0", "f", "false", "off", "n", "no"):
        return False
    raise BadRequest(reason=f"{what} must be true or false, not {value!r}.")


def admin(ctx: Context) -> None:
    if not ctx.is_admin:
        raise Forbidden(rule="volume:admin_action")


class VolumeActions:
    """What each action does; a method answers (status, body)."""

    def __init__(self, volumes: Volumes, snapshots: Snapshots, attachments: Attachments, uploads: Uploads, types: VolumeTypes) -> None:
        self.volumes = volumes
        self.snapshots = snapshots
        self.attachments = attachments
        self.uploads = uploads
        self.types = types

    async def extend(self, ctx: Context, volume_id: str, data: Extend) -> None:
        size = size_of(data.new_size)
        assert size is not None
        await self.volumes.extend(ctx, volume_id, size)

    async def set_bootable(self, ctx: Context, volume_id: str, data: Bootable) -> Response[Any]:
        await self.volumes.update(ctx, volume_id, {"bootable": flag(data.bootable, "bootable")})
        return nothing(200)

    async def update_readonly(self, ctx: Context, volume_id: str, data: ReadOnly) -> None:
        await self.volumes.set_read_only(ctx, volume_id, read_only=flag(data.readonly, "readonly"))

    async def retype(self, ctx: Context, volume_id: str, data: Retype) -> None:
        await self.volumes.retype(ctx, volume_id, data.new_type)

    async def reset_status(self, ctx: Context, volume_id: str, data: ResetStatus) -> None:
        admin(ctx)
        if data.status is not None and data.status.lower() not in SETTABLE_STATUSES:
            raise BadRequest(reason=f"Invalid status {data.status!r}; valid are {', '.join(SETTABLE_STATUSES)}.")
        if data.status is None and data.attach_status is None and data.migration_status is None:
            raise BadRequest(reason="Must specify 'status', 'attach_status' or 'migration_status'.")
        await self.volumes.reset(ctx, volume_id, {"status": data.status.lower()} if data.status else {})

    async def force_delete(self, ctx: Context, volume_id: str, _: Any) -> None:
        admin(ctx)
        await self.volumes.delete(ctx, volume_id, cascade=True, force=True)

    async def upload(self, ctx: Context, volume_id: str, data: Upload) -> Response[Any]:
        spec = UploadSpec(
            image_name=data.image_name, disk_format=data.disk_format, container_format=data.container_format,
            force=flag(data.force, "force"), visibility=data.visibility, protected=data.protected,
        )  # fmt: skip
        volume, image = await self.uploads.start(ctx, volume_id, spec)
        body = {
            "id": volume_id, "image_id": image.id, "image_name": image.name, "status": volume.status, "size": volume.size,
            "disk_format": image.disk_format, "container_format": image.container_format, "updated_at": iso_micro(volume.updated_at),
            "display_description": volume.description, "volume_type": {"name": (await self.types.names()).get(volume.type_id)},
        }  # fmt: skip
        if ctx.version >= (3, 1):
            body |= {"visibility": image.visibility, "protected": image.protected}
        return Response({"os-volume_upload_image": body}, status_code=202)

    async def reserve(self, ctx: Context, volume_id: str, _: Any) -> None:
        await self.attachments.reserve(ctx, volume_id)

    async def unreserve(self, ctx: Context, volume_id: str, _: Any) -> None:
        await self.attachments.unreserve(ctx, volume_id)

    async def begin_detaching(self, ctx: Context, volume_id: str, _: Any) -> None:
        await self.attachments.begin_detaching(ctx, volume_id)

    async def roll_detaching(self, ctx: Context, volume_id: str, _: Any) -> None:
        await self.attachments.begin_detaching(ctx, volume_id, roll_back=True)

    async def attach(self, ctx: Context, volume_id: str, data: Attach) -> None:
        """Notes who uses the volume; nothing is plugged in: that is compute's, which attaches by its own door."""
        await self.volumes.show(ctx, volume_id)
        if (data.instance_uuid is None) == (data.host_name is None):
            raise BadRequest(reason="Name either instance_uuid or host_name.")
        if data.mode not in ("rw", "ro"):
            raise BadRequest(reason=f"Invalid attach mode {data.mode!r}; valid are rw and ro.")
        read_only = data.mode == "ro"
        server, host = data.instance_uuid, data.host_name or ""
        await self.attachments.attach(volume_id, server, host, data.mountpoint, str(uuid4()), read_only=read_only)

    async def detach(self, ctx: Context, volume_id: str, data: Detach) -> None:
        await self.volumes.show(ctx, volume_id)
        attachment = await self.attachments.only_of(ctx, volume_id, data.attachment_id)
        if attachment.server_id is not None and attachment.host:
            # A disk must not be pulled from under a running guest; the server gives it back.
            raise ServerHoldsVolume(volume_id=volume_id, server_id=attachment.server_id)
        await self.attachments.detach(volume_id, attachment.id)

    async def force_detach(self, ctx: Context, volume_id: str, data: Detach) -> None:
        admin(ctx)
        attachment = await self.attachments.only_of(ctx, volume_id, data.attachment_id)
        await self.attachments.detach(volume_id, attachment.id)

    async def initialize_connection(self, ctx: Context, volume_id: str, _: Connector) -> Response[Any]:
        admin(ctx)
        connection = await self.attachments.connection(ctx, volume_id)
        info = {"driver_volume_type": connection.driver, "data": msgspec.to_builtins(connection)}
        return Response({"connection_info": info}, status_code=200)

    async def terminate_connection(self, ctx: Context, volume_id: str, _: Connector) -> None:
        """A connection is part of an attachment here, and ends with it."""
        admin(ctx)
        await self.volumes.show(ctx, volume_id)

    async def set_image_metadata(self, ctx: Context, volume_id: str, data: ImageMetadata) -> Response[Any]:
        present = (await self.volumes.show(ctx, volume_id)).image_metadata
        changed = await self.volumes.update(ctx, volume_id, {"image_metadata": {**present, **data.metadata}})
        return Response({"metadata": changed.image_metadata}, status_code=200)

    async def unset_image_metadata(self, ctx: Context, volume_id: str, data: ImageMetadataKey) -> Response[Any]:
        await self.volumes.remove_image_metadata(ctx, volume_id, data.key)
        return nothing(200)

    async def show_image_metadata(self, ctx: Context, volume_id: str, _: Any) -> Response[Any]:
        return Response({"metadata": (await self.volumes.show(ctx, volume_id)).image_metadata}, status_code=200)

    async def revert(self, ctx: Context, volume_id: str, data: Revert) -> None:
        if ctx.version < (3, 40):
            raise BadRequest(reason="There is no such action: revert (it needs microversion 3.40).")
        await self.snapshots.revert(ctx, volume_id, data.snapshot_id)


@on("POST", "/volumes/{volume_id:str}/action", rule="volume:action", status=202)
async def act_on_volume(ctx: Context, volume_id: str, data: VolumeAction, actions: VolumeActions) -> Response[Any]:
    given = [name for name in data.__struct_fields__ if getattr(data, name) is not msgspec.UNSET]
    if len(given) != 1:
        raise BadRequest(reason="The body holds exactly one action that this API knows.")
    answer: Response[Any] | None = await getattr(actions, given[0])(ctx, volume_id, getattr(data, given[0]))
    return answer or nothing(202)
