"""What a new volume may begin as: an image, a snapshot or another volume, each looked at before anything is made."""

from typing import Any

import msgspec

from cloudd.image.client import Image, ImageClient
from cloudd.kit.auth import Context
from cloudd.kit.db import Transaction
from cloudd.kit.errors import Condition
from cloudd.kit.service import Cloud
from cloudd.volume.drivers.base import GIB
from cloudd.volume.errors import ImageUnusable, InvalidInput, InvalidSnapshot, InvalidVolume, SnapshotNotFound, VolumeNotFound
from cloudd.volume.store.snapshot import SnapshotStore
from cloudd.volume.store.volume import VolumeStore


class Source(msgspec.Struct, kw_only=True):
    """What the new volume takes from where it comes from. `minimum_gib` is the least size that holds it."""

    minimum_gib: int = 1
    default_gib: int | None = None
    bootable: bool = False
    image_metadata: dict[str, Any] = {}
    type_id: str | None = None


def image_metadata(image: Image) -> dict[str, Any]:
    """What a volume remembers of its image, all text as upstream shows it."""
    facts = {
        "image_id": image.id, "image_name": image.name or "", "checksum": image.checksum or "", "container_format": image.container_format,
        "disk_format": image.disk_format, "min_disk": image.min_disk, "min_ram": image.min_ram, "size": image.size,
    }  # fmt: skip
    kept = {key: value for key, value in image.properties.items() if not key.startswith("os_glance")}
    return {**kept, **{key: str(value) for key, value in facts.items()}}


class Sources:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.volumes = VolumeStore()
        self.snapshots = SnapshotStore()

    async def image(self, ctx: Context, image_id: str) -> Source:
        """Outside of any transaction: it asks another service."""
        images = self.cloud.client(ImageClient)
        try:
            image = await images.get(ctx, image_id)
            file = await images.file_of(image_id)
        except Condition as condition:
            raise ImageUnusable(reason=condition.text) from None
        content_gib = -(-file.virtual_size_bytes // GIB)
        return Source(minimum_gib=max(content_gib, image.min_disk, 1), bootable=True, image_metadata=image_metadata(image))

    async def snapshot(self, tx: Transaction, ctx: Context, snapshot_id: str) -> Source:
        snapshot = await self.snapshots.get(tx, snapshot_id)
        if snapshot is None or not ctx.may_see(snapshot.project_id):
            raise SnapshotNotFound(snapshot_id=snapshot_id)
        if snapshot.status != "available":
            raise InvalidSnapshot(reason=f"Originating snapshot status must be one of 'available' values, it is {snapshot.status}.")
        volume = await self.volumes.get(tx, snapshot.volume_id)
        assert volume is not None
        return Source(
            minimum_gib=snapshot.size, default_gib=snapshot.size, bootable=volume.bootable, image_metadata=volume.image_metadata,
            type_id=volume.type_id,
        )  # fmt: skip

    async def volume(self, tx: Transaction, ctx: Context, volume_id: str) -> Source:
        volume = await self.volumes.get(tx, volume_id)
        if volume is None or not ctx.may_see(volume.project_id):
            raise VolumeNotFound(volume_id=volume_id)
        if volume.status not in ("available", "in-use"):
            raise InvalidVolume(reason=f"Source volume status must be available or in-use, it is {volume.status}.")
        return Source(
            minimum_gib=volume.size, default_gib=volume.size, bootable=volume.bootable, image_metadata=volume.image_metadata,
            type_id=volume.type_id,
        )  # fmt: skip


def settled_size(size_gib: int | None, source: Source) -> int:
    """The size asked for, or the source's. InvalidInput when there is none, or it does not hold the source."""
    size = source.default_gib if size_gib is None else size_gib
    if size is None:
        raise InvalidInput(reason="size must be given for a volume that comes from no snapshot or volume.")
    if size < source.minimum_gib:
        raise InvalidInput(reason=f"Volume size {size}GB cannot be smaller than its source, which needs {source.minimum_gib}GB.")
    return size
