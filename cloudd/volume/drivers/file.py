"""Volumes as sparse raw files in one directory of their host."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from cloudd.kit.durable import sync_directory
from cloudd.volume.drivers.base import GIB, Capacity, Connection, ImageSource, VolumeDriver
from cloudd.volume.errors import CopyFailed, InUseCopyUnsupported, SizeTooSmall, SnapshotDataMissing, VolumeDataMissing

PARTIAL = ".partial"
FICLONE = 0x40049409  # linux/fs.h: share all of a file's blocks, atomically against writers


async def run(*command: str | Path) -> None:
    """Run a command; CopyFailed with its last line of complaint when it fails."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, complaint = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode:
        reason = complaint.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {process.returncode}"]
        raise CopyFailed(command=str(command[0]), reason=reason[0])


async def convert(*arguments: str | Path) -> None:
    await run("qemu-img", "convert", *arguments)


def settle(partial: Path, final: Path, size_bytes: int | None, *, replace: bool) -> None:
    """Give the finished partial file its size and its name, durably.

    Without `replace` the name is linked, not renamed: a late second run must never put a fresh copy over a volume that is already in use.
    """
    with partial.open("r+b") as file:
        if size_bytes is not None:
            file.truncate(size_bytes)
        os.fsync(file.fileno())
    if replace:
        partial.replace(final)
    else:
        with contextlib.suppress(FileExistsError):
            final.hardlink_to(partial)
        partial.unlink()
    sync_directory(final.parent)


def create_empty(path: Path) -> None:
    path.touch(mode=0o600)


def clone_blocks(source: Path, target: Path) -> bool:
    """Share the source's blocks with a new file; False where the file system cannot."""
    with source.open("rb") as reader, target.open("r+b") as writer:
        try:
            fcntl.ioctl(writer.fileno(), FICLONE, reader.fileno())
        except OSError:
            return False
    return True


class FileDriver(VolumeDriver):
    """Keeps a volume as `<directory>/<id>.raw` and a snapshot as `<directory>/snapshots/<id>.raw`."""

    name = "file"

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.snapshot_directory = self.directory / "snapshots"

    def path_of(self, volume_id: str) -> Path:
        return self.directory / f"{volume_id}.raw"

    def snapshot_path_of(self, snapshot_id: str) -> Path:
        return self.snapshot_directory / f"{snapshot_id}.raw"

    async def recover(self) -> None:
        def sweep() -> None:
            self.snapshot_directory.mkdir(parents=True, exist_ok=True)
            for directory in (self.directory, self.snapshot_directory):
                for partial in directory.glob(f"*{PARTIAL}"):
                    partial.unlink(missing_ok=True)

        await asyncio.to_thread(sweep)

    async def capacity(self) -> Capacity:
        usage = await asyncio.to_thread(shutil.disk_usage, self.directory)
        return Capacity(total_bytes=usage.total, free_bytes=usage.free)

    @contextlib.asynccontextmanager
    async def _making(self, final: Path, size_bytes: int | None, *, replace: bool = False) -> AsyncIterator[Path]:
        """Yield a file to fill that becomes `final` on success and vanishes on failure."""
        partial = final.with_name(f"{final.name}.{uuid.uuid4().hex}{PARTIAL}")
        await asyncio.to_thread(create_empty, partial)
        try:
            yield partial
            await asyncio.to_thread(settle, partial, final, size_bytes, replace=replace)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    async def create(self, volume_id: str, size_gib: int) -> None:
        final = self.path_of(volume_id)
        if final.exists():
            return
        async with self._making(final, size_gib * GIB):
            pass

    async def create_from_image(self, volume_id: str, size_gib: int, image: ImageSource) -> None:
        final = self.path_of(volume_id)
        if final.exists():
            return
        async with self._making(final, size_gib * GIB) as partial:
            # The format is named, not probed: a raw image that imitates another format must stay raw.
            await convert("-f", image.disk_format, "-O", "raw", image.path, partial)
            self._check_fits(volume_id, size_gib, partial)

    async def create_from_volume(self, volume_id: str, size_gib: int, source_volume_id: str, *, source_in_use: bool = False) -> None:
        source = self.path_of(source_volume_id)
        if self.path_of(volume_id).exists():
            return
        if not source.exists():
            raise VolumeDataMissing(volume_id=source_volume_id)
        self._check_fits(volume_id, size_gib, source)
        async with self._making(self.path_of(volume_id), size_gib * GIB) as partial:
            await self._copy(source, partial, in_use=source_in_use)

    async def create_from_snapshot(self, volume_id: str, size_gib: int, snapshot_id: str) -> None:
        if not self.path_of(volume_id).exists():
            await self._take_from_snapshot(volume_id, size_gib, snapshot_id, replace=False)

    async def revert_to_snapshot(self, volume_id: str, size_gib: int, snapshot_id: str) -> None:
        if not self.path_of(volume_id).exists():
            raise VolumeDataMissing(volume_id=volume_id)
        await self._take_from_snapshot(volume_id, size_gib, snapshot_id, replace=True)

    async def _take_from_snapshot(self, volume_id: str, size_gib: int, snapshot_id: str, *, replace: bool) -> None:
        source = self.snapshot_path_of(snapshot_id)
        if not source.exists():
            raise SnapshotDataMissing(snapshot_id=snapshot_id)
        self._check_fits(volume_id, size_gib, source)
        async with self._making(self.path_of(volume_id), size_gib * GIB, replace=replace) as partial:
            await self._copy(source, partial)

    async def extend(self, volume_id: str, size_gib: int) -> None:
        def grow(path: Path, size_bytes: int) -> None:
            with path.open("r+b") as file:
                if os.fstat(file.fileno()).st_size < size_bytes:
                    file.truncate(size_bytes)
                    os.fsync(file.fileno())

        try:
            await asyncio.to_thread(grow, self.path_of(volume_id), size_gib * GIB)
        except FileNotFoundError:
            raise VolumeDataMissing(volume_id=volume_id) from None

    async def delete(self, volume_id: str) -> None:
        await self._remove(self.path_of(volume_id))

    async def create_snapshot(self, snapshot_id: str, volume_id: str, *, in_use: bool = False) -> None:
        final, source = self.snapshot_path_of(snapshot_id), self.path_of(volume_id)
        if final.exists():
            return
        if not source.exists():
            raise VolumeDataMissing(volume_id=volume_id)
        async with self._making(final, None) as partial:
            await self._copy(source, partial, in_use=in_use)

    async def delete_snapshot(self, snapshot_id: str) -> None:
        await self._remove(self.snapshot_path_of(snapshot_id))

    async def attach(self, volume_id: str, attachment_id: str, *, read_only: bool = False) -> Connection:
        path = self.path_of(volume_id)
        if not path.exists():
            raise VolumeDataMissing(volume_id=volume_id)
        return Connection(driver=self.name, path=str(path), format="raw", serial=volume_id, read_only=read_only)

    async def detach(self, volume_id: str, attachment_id: str) -> None:
        """Nothing is held for an attachment: the file is simply there."""

    async def write_image(self, volume_id: str, path: str, disk_format: str) -> None:
        source = self.path_of(volume_id)
        if not source.exists():
            raise VolumeDataMissing(volume_id=volume_id)
        if Path(path).exists():
            return
        async with self._making(Path(path), None) as partial:
            # -U: a volume that a guest holds open may be read; the caller decided that.
            await convert("-U", "-f", "raw", "-O", disk_format, source, partial)

    async def volumes(self) -> dict[str, int]:
        return await asyncio.to_thread(lambda: {path.stem: path.stat().st_size for path in self.directory.glob("*.raw")})

    async def snapshots(self) -> set[str]:
        return await asyncio.to_thread(lambda: {path.stem for path in self.snapshot_directory.glob("*.raw")})

    @staticmethod
    def _check_fits(volume_id: str, size_gib: int, source: Path) -> None:
        if (needed := source.stat().st_size) > size_gib * GIB:
            raise SizeTooSmall(volume_id=volume_id, size_gib=size_gib, needed_bytes=needed)

    @staticmethod
    async def _remove(path: Path) -> None:
        def remove() -> None:
            path.unlink(missing_ok=True)
            sync_directory(path.parent)

        await asyncio.to_thread(remove)

    @staticmethod
    async def _copy(source: Path, target: Path, *, in_use: bool = False) -> None:
        if await asyncio.to_thread(clone_blocks, source, target):
            return
        if in_use:
            # A plain copy of a disk under writes mixes moments: such a file looks like a snapshot and is none.
            raise InUseCopyUnsupported(volume_id=source.stem)
        await run("cp", "--sparse=auto", source, target)
