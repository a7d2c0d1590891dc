"""Volumes: made, shown, changed, grown and deleted; each state change is a compare-and-swap."""

from collections.abc import Collection
from typing import Any
from uuid import uuid4

import msgspec
import sqlalchemy as sa

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.paging import MarkerNotFound, Page
from cloudd.kit.service import Cloud
from cloudd.volume.domain.host import Hosts
from cloudd.volume.domain.metadata import check_metadata
from cloudd.volume.domain.quota import Quotas
from cloudd.volume.domain.source import Source, Sources, settled_size
from cloudd.volume.domain.volume_type import VolumeTypes, allows_multiattach
from cloudd.volume.domain.work import CreateVolumeParams, DeleteVolumeParams, ExtendVolumeParams
from cloudd.volume.errors import InvalidInput, InvalidVolume, MetadataNotFound, VolumeNotFound
from cloudd.volume.settings import VolumeSettings
from cloudd.volume.store.attachment import AttachmentStore
from cloudd.volume.store.snapshot import SnapshotStore
from cloudd.volume.store.volume import Volume, VolumeStore

DELETABLE = ("available", "error", "error_restoring", "error_extending", "error_managing", "error_deleting")
#: what an administrator may set a volume's status to
SETTABLE_STATUSES = (
    "creating", "available", "deleting", "error", "error_deleting", "error_managing", "managing", "attaching", "detaching", "in-use",
    "maintenance", "reserved",
)  # fmt: skip


class VolumeSpec(msgspec.Struct, kw_only=True):
    """A volume to make, from at most one source."""

    size_gib: int | None = None
    name: str | None = None
    description: str | None = None
    image_id: str | None = None
    snapshot_id: str | None = None
    source_volume_id: str | None = None
    #: id or name
    volume_type: str | None = None
    availability_zone: str | None = None
    metadata: dict[str, str] = {}
    multiattach: bool = False


class Summary(msgspec.Struct, kw_only=True):
    """Volumes in sum, and which values each metadata key has among them."""

    count: int
    size_gib: int
    metadata: dict[str, list[str]]


class Volumes:
    def __init__(self, cloud: Cloud, types: VolumeTypes, quotas: Quotas, hosts: Hosts) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.types = types
        self.quotas = quotas
        self.hosts = hosts
        self.sources = Sources(cloud)
        self.store = VolumeStore()
        self.snapshots = SnapshotStore()
        self.attachments = AttachmentStore()

    async def create(self, ctx: Context, spec: VolumeSpec, volume_id: str | None = None) -> Volume:
        check_metadata(spec.metadata)
        if sum(source is not None for source in (spec.image_id, spec.snapshot_id, spec.source_volume_id)) > 1:
            raise InvalidInput(reason="A volume is made of one image, snapshot or volume, not of several.")
        zone = await self._zone(spec.availability_zone)
        image = await self.sources.image(ctx, spec.image_id) if spec.image_id else None
        async with self.db.write() as tx:
            source = image or await self._source(tx, ctx, spec)
            size = settled_size(spec.size_gib, source)
            kind = await self.types.resolve(tx, ctx, spec.volume_type or source.type_id)
            await self.quotas.check_size(tx, ctx.project, size)
            await self.quotas.check(tx, ctx.project, volumes=1, gigabytes=size)
            volume = Volume(
                id=volume_id or str(uuid4()), project_id=ctx.project, user_id=ctx.user_id or "", name=spec.name,
                description=spec.description, size=size, availability_zone=zone, type_id=kind.id, snapshot_id=spec.snapshot_id,
                source_volume_id=spec.source_volume_id, image_id=spec.image_id, bootable=source.bootable,
                multiattach=spec.multiattach or allows_multiattach(kind), metadata=spec.metadata,
                image_metadata=source.image_metadata, created_at=now(),
            )  # fmt: skip
            await self.store.insert(tx, volume)
            params = CreateVolumeParams(volume.id, volume.project_id, volume.user_id)
            await self._start(tx, ctx, "volume.create_volume", params, volume.id)
        return volume

    async def _source(self, tx: Transaction, ctx: Context, spec: VolumeSpec) -> Source:
        if spec.snapshot_id:
            return await self.sources.snapshot(tx, ctx, spec.snapshot_id)
        if spec.source_volume_id:
            return await self.sources.volume(tx, ctx, spec.source_volume_id)
        return Source()

    async def _zone(self, name: str | None) -> str:
        if name is None:
            return self.cloud.settings.section(VolumeSettings).availability_zone
        if name not in await self.hosts.zones():
            raise InvalidInput(reason=f"Availability zone '{name}' is invalid.")
        return name

    async def _start(self, tx: Transaction, ctx: Context, kind: str, params: msgspec.Struct, volume_id: str) -> None:
        await self.cloud.sagas.start(tx, kind, params, resource_id=volume_id, request_id=ctx.request_id)

    async def get(self, tx: Transaction, ctx: Context, volume_id: str, *, lock: bool = False) -> Volume:
        """The volume, if it exists for this caller."""
        volume = await self.store.get(tx, volume_id, lock=lock)
        if volume is None or not ctx.may_see(volume.project_id):
            raise VolumeNotFound(volume_id=volume_id)
        return volume

    async def show(self, ctx: Context, volume_id: str) -> Volume:
        async with self.db.read() as tx:
            return await self.get(tx, ctx, volume_id)

    async def page(self, page: Page, where: list[sa.ColumnElement[bool]]) -> list[Volume]:
        try:
            async with self.db.read() as tx:
                return await self.store.page(tx, page, *where)
        except MarkerNotFound:
            # This API says 404 where others say 400.
            raise VolumeNotFound(volume_id=page.marker) from None

    async def count(self, where: list[sa.ColumnElement[bool]]) -> int:
        async with self.db.read() as tx:
            return await self.store.count(tx, *where)

    async def update(self, ctx: Context, volume_id: str, changes: dict[str, Any]) -> Volume:
        """Set name, description, metadata, flags: what never depends on the status."""
        if "metadata" in changes:
            check_metadata(changes["metadata"])
        async with self.db.write() as tx:
            await self.get(tx, ctx, volume_id, lock=True)
            await self.store.update(tx, volume_id, **changes, updated_at=now())
            return await self.get(tx, ctx, volume_id)

    async def move(self, tx: Transaction, volume: Volume, allowed: Collection[str], status: str, verb: str, **values: Any) -> None:
        """Change the status, if it is one of those allowed. InvalidVolume (400)."""
        where = self.store.table.c.status.in_(allowed)
        if not await self.store.update(tx, volume.id, where, status=status, updated_at=now(), **values):
            raise InvalidVolume(reason=f"Volume {volume.id} status must be {' or '.join(allowed)} to {verb}, but it is {volume.status}.")

    async def delete(self, ctx: Context, volume_id: str, *, cascade: bool = False, force: bool = False) -> None:
        """Begin to delete; with `force` whatever the status says, but never while a server uses it."""
        async with self.db.write() as tx:
            volume = await self.get(tx, ctx, volume_id, lock=True)
            if await self.attachments.count(tx, self.attachments.table.c.volume_id == volume_id):
                raise InvalidVolume(reason=f"Volume {volume_id} is attached; detach it first.")
            snapshots = await self.snapshots.find(tx, self.snapshots.table.c.volume_id == volume_id)
            if snapshots and not cascade:
                raise InvalidVolume(reason=f"Volume {volume_id} has {len(snapshots)} dependent snapshots; delete them first, or cascade.")
            if busy := [snapshot.id for snapshot in snapshots if snapshot.status not in ("available", "error", "error_deleting")]:
                raise InvalidVolume(reason=f"Snapshot {busy[0]} of volume {volume_id} is being worked on.")
            await self.move(tx, volume, (volume.status,) if force else DELETABLE, "deleting", "delete", reason=None)
            for snapshot in snapshots:
                await self.snapshots.update(tx, snapshot.id, status="deleting", updated_at=now())
            params = DeleteVolumeParams(volume_id, volume.project_id, volume.user_id, [snapshot.id for snapshot in snapshots])
            await self._start(tx, ctx, "volume.delete_volume", params, volume_id)

    async def extend(self, ctx: Context, volume_id: str, size_gib: int) -> None:
        """Begin to grow. From microversion 3.42 also while attached."""
        async with self.db.write() as tx:
            volume = await self.get(tx, ctx, volume_id, lock=True)
            if size_gib <= volume.size:
                raise InvalidInput(reason=f"New size for extend must be greater than current size {volume.size}, not {size_gib}.")
            allowed = ("available", "in-use") if ctx.version >= (3, 42) else ("available",)
            used = await self.attachments.find(tx, self.attachments.table.c.volume_id == volume_id)
            if any((attachment.connection or {}).get("driver") == "iscsi" for attachment in used):
                # tgtd learns a new size only by losing the unit, which the guest would see as failed writes.
                raise InvalidVolume(reason=f"Volume {volume_id} is attached by iSCSI and cannot grow; detach it first.")
            await self.quotas.check_size(tx, volume.project_id, size_gib)
            await self.quotas.check(tx, volume.project_id, gigabytes=size_gib - volume.size)
            await self.move(tx, volume, allowed, "extending", "extend", extending_to=size_gib)
            params = ExtendVolumeParams(volume_id, volume.project_id, volume.user_id, size_gib, volume.status)
            await self._start(tx, ctx, "volume.extend_volume", params, volume_id)

    async def retype(self, ctx: Context, volume_id: str, new_type: str) -> None:
        """Another type on the same host; nothing is moved."""
        async with self.db.write() as tx:
            volume = await self.get(tx, ctx, volume_id, lock=True)
            kind = await self.types.resolve(tx, ctx, new_type)
            if volume.status == "in-use" and allows_multiattach(kind) != volume.multiattach:
                raise InvalidInput(reason="A volume in use keeps its kind of attachment; detach it first.")
            status = volume.status if volume.status == "in-use" else "available"
            await self.move(tx, volume, (status,), status, "retype", type_id=kind.id, multiattach=allows_multiattach(kind))

    async def reset(self, ctx: Context, volume_id: str, changes: dict[str, Any]) -> None:
        """An administrator's word on the status, where reality and the rows have parted."""
        async with self.db.write() as tx:
            await self.get(tx, ctx, volume_id, lock=True)
            await self.store.update(tx, volume_id, **changes, reason=None, updated_at=now())

    async def set_read_only(self, ctx: Context, volume_id: str, *, read_only: bool) -> None:
        """For the next attachments; a volume in use keeps what it has."""
        async with self.db.write() as tx:
            volume = await self.get(tx, ctx, volume_id, lock=True)
            await self.move(tx, volume, ("available",), "available", "change its read-only flag", read_only=read_only)

    async def remove_image_metadata(self, ctx: Context, volume_id: str, key: str) -> None:
        present = (await self.show(ctx, volume_id)).image_metadata
        if key not in present:
            raise MetadataNotFound(key=key)
        await self.update(ctx, volume_id, {"image_metadata": {name: value for name, value in present.items() if name != key}})

    async def summary(self, where: list[sa.ColumnElement[bool]]) -> Summary:
        async with self.db.read() as tx:
            found = await self.store.find(tx, *where)
        values: dict[str, list[str]] = {}
        for volume in found:
            for key, value in volume.metadata.items():
                if value not in values.setdefault(key, []):
                    values[key].append(value)
        return Summary(count=len(found), size_gib=sum(volume.size for volume in found), metadata=values)
