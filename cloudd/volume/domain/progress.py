"""What the sagas write down about volumes and snapshots, and how they reach the hosts."""

from typing import Any

from cloudd.kit.bus import Message
from cloudd.kit.clock import now
from cloudd.kit.service import Cloud
from cloudd.volume.errors import SnapshotNotFound, VolumeNotFound
from cloudd.volume.messages import agent_topic
from cloudd.volume.settings import VolumeSettings
from cloudd.volume.store.snapshot import Snapshot, SnapshotStore
from cloudd.volume.store.volume import Volume, VolumeStore


class Progress:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.volumes = VolumeStore()
        self.snapshots = SnapshotStore()

    async def volume(self, volume_id: str) -> Volume:
        async with self.db.read() as tx:
            volume = await self.volumes.get(tx, volume_id)
        if volume is None:
            raise VolumeNotFound(volume_id=volume_id)
        return volume

    async def find_volume(self, volume_id: str) -> Volume | None:
        async with self.db.read() as tx:
            return await self.volumes.get(tx, volume_id)

    async def snapshot(self, snapshot_id: str) -> Snapshot:
        async with self.db.read() as tx:
            snapshot = await self.snapshots.get(tx, snapshot_id)
        if snapshot is None:
            raise SnapshotNotFound(snapshot_id=snapshot_id)
        return snapshot

    async def set_volume(self, volume_id: str, **values: Any) -> None:
        async with self.db.write() as tx:
            await self.volumes.update(tx, volume_id, **values, updated_at=now())

    async def set_snapshot(self, snapshot_id: str, **values: Any) -> None:
        async with self.db.write() as tx:
            await self.snapshots.update(tx, snapshot_id, **values, updated_at=now())

    async def forget_volume(self, volume_id: str) -> None:
        async with self.db.write() as tx:
            await self.snapshots.delete_where(tx, self.snapshots.table.c.volume_id == volume_id)
            await self.volumes.delete(tx, volume_id)

    async def forget_snapshot(self, snapshot_id: str) -> None:
        async with self.db.write() as tx:
            await self.snapshots.delete(tx, snapshot_id)

    async def ask(self, host: str | None, message: Message) -> Any:
        """Have a host do it; a volume that never came to a host has nothing there to do."""
        if host is None:
            return None
        timeout = self.cloud.settings.section(VolumeSettings).copy_timeout_seconds
        return await self.cloud.bus.call(agent_topic(host), message, timeout_seconds=timeout)
