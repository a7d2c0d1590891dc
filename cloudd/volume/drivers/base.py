"""The ability every volume driver has, and the plain data it takes and gives."""

import abc

import msgspec

GIB = 1024**3


class Connection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a compute host needs to open an attached volume.

    `driver` says how: "file" (a path on the host, in `format`), or "iscsi" (unit `lun` of target `iqn` at any of `portals`, each
    address:port, with CHAP `username` and `password`). `serial` is the disk's serial as the guest sees it
    (virtio-blk shows the first 20 characters).
    """

    driver: str
    path: str
    format: str
    serial: str
    read_only: bool = False
    portals: list[str] = []
    iqn: str = ""
    lun: int = 0
    username: str = ""
    password: str = ""


class ImageSource(msgspec.Struct, frozen=True, kw_only=True):
    """An image's file, already inspected: `disk_format` is what its content is, never probed again."""

    path: str
    disk_format: str


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    total_bytes: int
    free_bytes: int


class VolumeDriver(abc.ABC):
    """Makes, copies, grows and removes volumes by id.

    Every method may run twice, also after a crash in its midst: creating what is there already and deleting what is
    gone are successes, and a volume or snapshot is either whole or absent. None blocks the event loop.
    Errors are the conditions `volume.driver.*`.
    """

    name: str

    @abc.abstractmethod
    async def recover(self) -> None:
        """Run once at start: remove what an interrupted run left half made."""

    @abc.abstractmethod
    async def capacity(self) -> Capacity: ...

    @abc.abstractmethod
    async def create(self, volume_id: str, size_gib: int) -> None:
        """Make an empty (all zero) volume."""

    @abc.abstractmethod
    async def create_from_image(self, volume_id: str, size_gib: int, image: ImageSource) -> None:
        """Make a volume that begins with the image's content; SizeTooSmall when that does not fit."""

    @abc.abstractmethod
    async def create_from_volume(self, volume_id: str, size_gib: int, source_volume_id: str, *, source_in_use: bool = False) -> None: ...

    @abc.abstractmethod
    async def create_from_snapshot(self, volume_id: str, size_gib: int, snapshot_id: str) -> None: ...

    @abc.abstractmethod
    async def extend(self, volume_id: str, size_gib: int) -> None:
        """Grow to `size_gib`; never shrinks."""

    @abc.abstractmethod
    async def delete(self, volume_id: str) -> None: ...

    @abc.abstractmethod
    async def create_snapshot(self, snapshot_id: str, volume_id: str, *, in_use: bool = False) -> None:
        """Keep the volume's content of this moment; with `in_use` a guest may be writing to it meanwhile."""

    @abc.abstractmethod
    async def revert_to_snapshot(self, volume_id: str, size_gib: int, snapshot_id: str) -> None:
        """Give a detached volume the snapshot's content back."""

    @abc.abstractmethod
    async def delete_snapshot(self, snapshot_id: str) -> None: ...

    @abc.abstractmethod
    async def attach(self, volume_id: str, attachment_id: str, *, read_only: bool = False) -> Connection: ...

    @abc.abstractmethod
    async def detach(self, volume_id: str, attachment_id: str) -> None: ...

    @abc.abstractmethod
    async def write_image(self, volume_id: str, path: str, disk_format: str) -> None:
        """Write the volume's content as an image file ("raw" or "qcow2") to `path`; done already when that exists."""

    @abc.abstractmethod
    async def volumes(self) -> dict[str, int]:
        """The volumes that exist, each with its size in bytes."""

    @abc.abstractmethod
    async def snapshots(self) -> set[str]: ...
