"""Volumes become images: the image exists at once, its content follows."""

from uuid import uuid4

import msgspec

from cloudd.image.client import Image, ImageClient
from cloudd.kit.auth import Context
from cloudd.kit.service import Cloud
from cloudd.volume.domain.volume import Volumes
from cloudd.volume.domain.work import UploadVolumeParams
from cloudd.volume.errors import InvalidInput, InvalidVolume
from cloudd.volume.store.volume import Volume

FORMATS = ("raw", "qcow2")
#: what of a volume's image metadata is no property of the new image
_NOT_INHERITED = frozenset({"image_id", "image_name", "checksum", "container_format", "disk_format", "min_disk", "min_ram", "size"})


class UploadSpec(msgspec.Struct, kw_only=True):
    image_name: str
    disk_format: str = "raw"
    container_format: str = "bare"
    #: also while a server uses the volume
    force: bool = False
    visibility: str = "private"
    protected: bool = False


class Uploads:
    def __init__(self, cloud: Cloud, volumes: Volumes) -> None:
        self.cloud = cloud
        self.volumes = volumes

    async def start(self, ctx: Context, volume_id: str, spec: UploadSpec) -> tuple[Volume, Image]:
        if spec.disk_format not in FORMATS or spec.container_format != "bare":
            raise InvalidInput(reason=f"A volume is uploaded in container format bare, and disk format {' or '.join(FORMATS)}.")
        before = await self.volumes.show(ctx, volume_id)
        self._check(before, spec)
        properties = {key: str(value) for key, value in before.image_metadata.items() if key not in _NOT_INHERITED}
        minimums = [int(before.image_metadata.get(key, 0)) for key in ("min_disk", "min_ram")]
        image = await self.cloud.client(ImageClient).create_queued(
            ctx, spec.image_name, spec.disk_format, properties, *minimums, image_id=str(uuid4()), visibility=spec.visibility,
            protected=spec.protected,
        )  # fmt: skip
        async with self.volumes.db.write() as tx:
            volume = await self.volumes.get(tx, ctx, volume_id, lock=True)
            self._check(volume, spec)
            await self.volumes.move(tx, volume, (volume.status,), "uploading", "upload")
            params = UploadVolumeParams(volume_id, ctx.project, ctx.user_id or "", image.id, spec.disk_format, volume.status)
            await self.cloud.sagas.start(tx, "volume.upload_volume", params, resource_id=volume_id, request_id=ctx.request_id)
        return await self.volumes.show(ctx, volume_id), image

    @staticmethod
    def _check(volume: Volume, spec: UploadSpec) -> None:
        allowed = ("available", "in-use") if spec.force else ("available",)
        if volume.status not in allowed:
            raise InvalidVolume(reason=f"Volume {volume.id} status must be {' or '.join(allowed)} to upload, it is {volume.status}.")
