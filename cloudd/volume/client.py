"""The volume service's door for other services."""

import asyncio

from cloudd.kit.auth import Context
from cloudd.kit.service import Cloud
from cloudd.volume.domain.attachment import Attachments
from cloudd.volume.domain.host import Hosts
from cloudd.volume.domain.quota import Quotas
from cloudd.volume.domain.snapshot import Snapshots, SnapshotSpec
from cloudd.volume.domain.volume import Volumes, VolumeSpec
from cloudd.volume.domain.volume_type import VolumeTypes
from cloudd.volume.drivers.base import Connection
from cloudd.volume.errors import VolumeNotFound
from cloudd.volume.store.snapshot import Snapshot
from cloudd.volume.store.volume import Volume

__all__ = ["Connection", "Snapshot", "SnapshotSpec", "Volume", "VolumeClient", "VolumeSpec"]

_POLL_SECONDS = 0.2


class VolumeClient:
    def __init__(self, cloud: Cloud) -> None:
        self.types = VolumeTypes(cloud)
        self.quotas = Quotas(cloud)
        self.hosts = Hosts(cloud)
        self.volumes = Volumes(cloud, self.types, self.quotas, self.hosts)
        self.snapshots = Snapshots(cloud, self.volumes)
        self.attachments = Attachments(cloud, self.volumes)

    async def get(self, ctx: Context, volume_id: str) -> Volume:
        """The volume as this caller may see it. VolumeNotFound."""
        return await self.volumes.show(ctx, volume_id)

    async def create(self, ctx: Context, spec: VolumeSpec, volume_id: str) -> Volume:
        """Begin to make a volume of ctx's project; it is there already after a first run. Poll `get` for its status."""
        try:
            return await self.volumes.show(ctx, volume_id)
        except VolumeNotFound:
            return await self.volumes.create(ctx, spec, volume_id)

    async def delete(self, ctx: Context, volume_id: str) -> None:
        """Begin to delete; gone or being deleted already is fine. One that is still being made is waited for.

        InvalidVolume while it is attached or has snapshots.
        """
        while True:
            try:
                volume = await self.volumes.show(ctx, volume_id)
            except VolumeNotFound:
                return
            if volume.status == "deleting":
                return
            if volume.status not in ("creating", "downloading"):
                await self.volumes.delete(ctx, volume_id)
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def get_snapshot(self, ctx: Context, snapshot_id: str) -> Snapshot:
        return await self.snapshots.show(ctx, snapshot_id)

    async def reserve(self, ctx: Context, volume_id: str) -> None:
        """Keep an available volume for ctx's request; InvalidVolume when it is not free. The same request may ask twice."""
        await self.attachments.reserve(ctx, volume_id)

    async def unreserve(self, ctx: Context, volume_id: str) -> None:
        """Free a volume that was not attached after all; not reserved is fine."""
        await self.attachments.unreserve(ctx, volume_id)

    async def attach(
        self, volume_id: str, server_id: str, host: str, device: str | None, attachment_id: str, *, read_only: bool = False
    ) -> Connection:
        """Attach a reserved (or available) volume: it is in-use afterwards. The same attachment may be asked for again."""
        return await self.attachments.attach(volume_id, server_id, host, device, attachment_id, read_only=read_only)

    async def begin_detaching(self, ctx: Context, volume_id: str) -> None:
        """Show that a detach is under way. InvalidVolume when the volume is not in use."""
        await self.attachments.begin_detaching(ctx, volume_id)

    async def detach(self, volume_id: str, attachment_id: str) -> None:
        """Give the volume back: available, when it was the last attachment. Not attached, or gone, is fine."""
        await self.attachments.detach(volume_id, attachment_id)
