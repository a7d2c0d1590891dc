"""A host's store of images that its disks and volumes are made from: each fetched once, checked, and dropped when it is long unused."""

import asyncio
import contextlib
import os
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4
from weakref import WeakValueDictionary

from cloudd.image.part_file import PART, sweep
from cloudd.image.transfer.http import Transfers
from cloudd.image.transfer.place import ImageSource, ImageTarget
from cloudd.kit.settings import Settings

#: what was used so lately is kept, for a disk may be about to stand on it
GRACE_SECONDS = 900.0


class ImageCache:
    """Keeps whole files only. `in_use` tells which of them something on this host stands on."""

    def __init__(self, directory: str | Path, settings: Settings, in_use: Callable[[], set[Path]] = set) -> None:
        self.directory = Path(directory)
        self.grace_seconds = GRACE_SECONDS
        self._in_use = in_use
        self._outgoing = self.directory / "outgoing"
        self._transfers = Transfers(settings)
        self._limit_bytes = self._transfers.settings.cache_limit_bytes
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._held: Counter[Path] = Counter()

    async def start(self) -> None:
        """Make the directories, remove what a killed process left half done, keep to the limit."""

        def prepare() -> None:
            self.directory.mkdir(parents=True, exist_ok=True)
            # QEMU's user must be able to walk through.
            self.directory.chmod(0o711)
            sweep(self.directory)
            shutil.rmtree(self._outgoing, ignore_errors=True)
            self._outgoing.mkdir()

        await asyncio.to_thread(prepare)
        await self.evict()

    @contextlib.asynccontextmanager
    async def hold(self, source: ImageSource) -> AsyncIterator[Path]:
        """The image's file on this host, which stays at least as long as the block. Who comes second waits for the first one's transfer."""
        path = self.directory / source.key
        self._held[path] += 1
        try:
            turn = self._turns.setdefault(source.key, asyncio.Lock())
            async with turn:
                if not _touch(path):
                    await self._bring(source, path)
            yield path
        finally:
            self._held[path] -= 1
            if not self._held[path]:
                del self._held[path]

    async def _bring(self, source: ImageSource, path: Path) -> None:
        near = Path(source.path)
        if source.path and _has_size(near, source.size_bytes):
            with contextlib.suppress(OSError):
                path.hardlink_to(near)
                return
            await self._transfers.copy(source, near, path)
        else:
            await self._transfers.fetch(source, path)
        await self.evict()

    async def hand_in(self, target: ImageTarget, make: Callable[[Path], Awaitable[None]]) -> None:
        """Have `make` write the content to the path that it is given, and bring that to the image service."""
        if target.path:
            await make(Path(target.path))
            return
        path = self._outgoing / f"{target.image_id}.{uuid4().hex}"
        try:
            await make(path)
            await self._transfers.send(target.image_id, path, target.url)
        finally:
            path.unlink(missing_ok=True)

    async def evict(self) -> None:
        """Drop the least recently used files that nothing stands on, until the others keep to the limit."""
        unused = await asyncio.to_thread(self._unused)
        kept = sum(size for _, size, _ in unused)
        for _, size, path in unused:
            if kept <= self._limit_bytes:
                return
            # On the event loop, so that nobody is given the file meanwhile.
            if path not in self._held:
                path.unlink(missing_ok=True)
                kept -= size

    def _unused(self) -> list[tuple[int, int, Path]]:
        """When last used, bytes on disk, path; the oldest first."""
        in_use = self._in_use()
        found = []
        for path in self.directory.iterdir():
            with contextlib.suppress(FileNotFoundError):
                about = path.stat()
                is_new = time.time() - about.st_mtime < self.grace_seconds
                # A second link is the image store's own: to drop ours would free nothing.
                if path.is_file() and about.st_nlink == 1 and path.suffix != PART and path not in in_use and not is_new:
                    found.append((about.st_mtime_ns, about.st_blocks * 512, path))
        return sorted(found)


def _touch(path: Path) -> bool:
    """Note that the file is used; whether it is there."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _has_size(path: Path, size_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes
