"""A volume driver that keeps everything in memory, for tests of the services above it."""

from pathlib import Path

import msgspec

from cloudd.kit.errors import Condition
from cloudd.volume.drivers.base import GIB, Capacity, Connection, ImageSource, VolumeDriver
from cloudd.volume.errors import SizeTooSmall, SnapshotDataMissing, VolumeDataMissing


class Disk(msgspec.Struct):
    size_bytes: int
    # What was written, by offset; everything else reads as zero.
    written: dict[int, bytes] = msgspec.field(default_factory=dict)

    def copy(self, size_bytes: int) -> "Disk":
        return Disk(size_bytes, dict(self.written))


class FakeDriver(VolumeDriver):
    """Behaves as the file driver does. `fail_next[method]` makes the next call of that method fail once with the error given."""

    name = "fake"

    def __init__(self) -> None:
        self.disks: dict[str, Disk] = {}
        self.kept: dict[str, Disk] = {}
        self.attachments: set[tuple[str, str]] = set()
        self.fail_next: dict[str, Condition] = {}

    def _meet_fate(self, method: str) -> None:
        if error := self.fail_next.pop(method, None):
            raise error

    def _disk(self, volume_id: str) -> Disk:
        if volume_id not in self.disks:
            raise VolumeDataMissing(volume_id=volume_id)
        return self.disks[volume_id]

    def _snapshot(self, snapshot_id: str) -> Disk:
        if snapshot_id not in self.kept:
            raise SnapshotDataMissing(snapshot_id=snapshot_id)
        return self.kept[snapshot_id]

    def _place(self, volume_id: str, size_gib: int, source: Disk) -> None:
        if source.size_bytes > size_gib * GIB:
            raise SizeTooSmall(volume_id=volume_id, size_gib=size_gib, needed_bytes=source.size_bytes)
        self.disks[volume_id] = source.copy(size_gib * GIB)

    async def recover(self) -> None:
        """Memory holds nothing half made."""

    async def capacity(self) -> Capacity:
        total = 1000 * GIB
        return Capacity(total_bytes=total, free_bytes=total - sum(disk.size_bytes for disk in self.disks.values()))

    async def create(self, volume_id: str, size_gib: int) -> None:
        self._meet_fate("create")
        self.disks.setdefault(volume_id, Disk(size_gib * GIB))

    async def create_from_image(self, volume_id: str, size_gib: int, image: ImageSource) -> None:
        """Takes the file's bytes as they are, whatever their format."""
        self._meet_fate("create_from_image")
        if volume_id not in self.disks:
            content = Path(image.path).read_bytes()
            self._place(volume_id, size_gib, Disk(len(content), {0: content}))

    async def create_from_volume(self, volume_id: str, size_gib: int, source_volume_id: str, *, source_in_use: bool = False) -> None:
        self._meet_fate("create_from_volume")
        if volume_id not in self.disks:
            self._place(volume_id, size_gib, self._disk(source_volume_id))

    async def create_from_snapshot(self, volume_id: str, size_gib: int, snapshot_id: str) -> None:
        self._meet_fate("create_from_snapshot")
        if volume_id not in self.disks:
            self._place(volume_id, size_gib, self._snapshot(snapshot_id))

    async def extend(self, volume_id: str, size_gib: int) -> None:
        self._meet_fate("extend")
        disk = self._disk(volume_id)
        disk.size_bytes = max(disk.size_bytes, size_gib * GIB)

    async def delete(self, volume_id: str) -> None:
        self._meet_fate("delete")
        self.disks.pop(volume_id, None)

    async def create_snapshot(self, snapshot_id: str, volume_id: str, *, in_use: bool = False) -> None:
        self._meet_fate("create_snapshot")
        if snapshot_id not in self.kept:
            disk = self._disk(volume_id)
            self.kept[snapshot_id] = disk.copy(disk.size_bytes)

    async def revert_to_snapshot(self, volume_id: str, size_gib: int, snapshot_id: str) -> None:
        self._meet_fate("revert_to_snapshot")
        self._disk(volume_id)
        self._place(volume_id, size_gib, self._snapshot(snapshot_id))

    async def delete_snapshot(self, snapshot_id: str) -> None:
        self._meet_fate("delete_snapshot")
        self.kept.pop(snapshot_id, None)

    async def attach(self, volume_id: str, attachment_id: str, *, read_only: bool = False) -> Connection:
        self._meet_fate("attach")
        self._disk(volume_id)
        self.attachments.add((volume_id, attachment_id))
        return Connection(driver="fake", path=f"/fake/{volume_id}", format="raw", serial=volume_id, read_only=read_only)

    async def detach(self, volume_id: str, attachment_id: str) -> None:
        self._meet_fate("detach")
        self.attachments.discard((volume_id, attachment_id))

    async def write_image(self, volume_id: str, path: str, disk_format: str) -> None:
        """Writes what was written at the disk's beginning."""
        self._meet_fate("write_image")
        disk = self._disk(volume_id)
        if not Path(path).exists():
            Path(path).write_bytes(disk.written.get(0, b""))

    async def volumes(self) -> dict[str, int]:
        return {volume_id: disk.size_bytes for volume_id, disk in self.disks.items()}

    async def snapshots(self) -> set[str]:
        return set(self.kept)
