"""Images as files `<directory>/<id>`; what is still coming in lies below `<directory>/staging`."""

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

CHUNK_BYTES = 1 << 20
PARTIAL = ".partial"


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class ImageFiles:
    """The one directory of this cloud's images. A file there is whole; everything unfinished is in staging."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.staging = self.directory / "staging"

    def prepare(self) -> None:
        self.staging.mkdir(parents=True, exist_ok=True)

    def path_of(self, image_id: str) -> Path:
        return self.directory / image_id

    def staging_path_of(self, image_id: str) -> Path:
        """Where a file may be put so that `move_in` is a rename."""
        return self.staging / image_id

    def partial_path_of(self, image_id: str) -> Path:
        return self.staging / f"{image_id}{PARTIAL}"

    async def move_in(self, source: Path, image_id: str) -> Path:
        """Make a complete file the image's content, durably."""

        def move() -> Path:
            final = self.path_of(image_id)
            if source.stat().st_dev != self.directory.stat().st_dev:
                nearby = self.partial_path_of(image_id)
                shutil.copyfile(source, nearby)
                source.unlink()
                return settle(nearby, final)
            return settle(source, final)

        def settle(complete: Path, final: Path) -> Path:
            with complete.open("rb") as file:
                os.fsync(file.fileno())
            complete.chmod(0o644)
            complete.replace(final)
            sync_directory(self.directory)
            return final

        return await asyncio.to_thread(move)

    async def delete(self, image_id: str) -> None:
        """Everything of the image, also what is unfinished; nothing there is fine."""

        def remove() -> None:
            for path in (self.path_of(image_id), self.staging_path_of(image_id), self.partial_path_of(image_id)):
                path.unlink(missing_ok=True)

        await asyncio.to_thread(remove)

    async def image_ids(self) -> set[str]:
        """The images that have a file."""
        return await asyncio.to_thread(lambda: {path.name for path in self.directory.iterdir() if path.is_file()})

    async def staged(self) -> dict[str, float]:
        """The images with unfinished files, and for how many seconds nothing was written to them."""

        def look() -> dict[str, float]:
            ages: dict[str, float] = {}
            for path in self.staging.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    age = time.time() - path.stat().st_mtime
                    image_id = path.name.removesuffix(PARTIAL)
                    ages[image_id] = min(age, ages.get(image_id, age))
            return ages

        return await asyncio.to_thread(look)

    async def read(self, path: Path, first: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """A file's bytes in chunks; it stays readable to the end when it is deleted meanwhile."""
        file = await asyncio.to_thread(path.open, "rb")
        try:
            await asyncio.to_thread(file.seek, first)
            left = length if length is not None else (1 << 62)
            while left and (chunk := await asyncio.to_thread(file.read, min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk
        finally:
            await asyncio.to_thread(file.close)
