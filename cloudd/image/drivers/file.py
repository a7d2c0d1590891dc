"""Images as files `<directory>/<id>`; what is still coming in lies below `<directory>/staging`."""

import asyncio
import contextlib
import hashlib
import os
import shutil
from pathlib import Path

from cloudd.image.messages import Holdings
from cloudd.image.part_file import FILE_MODE, PART, part_file, sweep
from cloudd.kit.durable import sync_directory

_CHUNK_BYTES = 1 << 20


class ImageFiles:
    """This host's directory of images. A file there is whole; everything unfinished is in staging."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.staging = self.directory / "staging"

    def prepare(self) -> None:
        """Make the directories, and remove what killed processes left there."""
        self.staging.mkdir(parents=True, exist_ok=True)
        sweep(self.staging)

    def path_of(self, image_id: str) -> Path:
        return self.directory / image_id

    def staging_path_of(self, image_id: str) -> Path:
        """Where a complete file is put, so that `move_in` is a rename."""
        return self.staging / image_id

    async def move_in(self, source: Path, image_id: str) -> Path:
        """Make a complete file the image's content, durably; moved in already is fine."""

        def move() -> Path:
            final = self.path_of(image_id)
            if not source.exists() and final.exists():
                return final
            # What is in staging is near already; an overlay file system tells other device numbers of files than of directories.
            if source.parent != self.staging and source.stat().st_dev != self.directory.stat().st_dev:
                with part_file(self.staging_path_of(image_id)) as nearby, source.open("rb") as file:
                    shutil.copyfileobj(file, nearby, _CHUNK_BYTES)
                source.unlink()
                settle(self.staging_path_of(image_id), final)
            else:
                settle(source, final)
            return final

        def settle(complete: Path, final: Path) -> None:
            with complete.open("rb") as file:
                os.fsync(file.fileno())
            complete.chmod(FILE_MODE)
            complete.replace(final)
            sync_directory(self.directory)

        return await asyncio.to_thread(move)

    async def delete(self, image_id: str) -> None:
        """Everything of the image, also what is unfinished; nothing there is fine."""

        def remove() -> None:
            for path in (self.path_of(image_id), self.staging_path_of(image_id)):
                path.unlink(missing_ok=True)
                path.with_name(path.name + PART).unlink(missing_ok=True)

        await asyncio.to_thread(remove)

    async def sha512_of(self, image_id: str) -> str | None:
        """Of the whole file's bytes; None where there is none."""

        def read() -> str | None:
            try:
                with self.path_of(image_id).open("rb") as file:
                    return hashlib.file_digest(file, "sha512").hexdigest()
            except FileNotFoundError:
                return None

        return await asyncio.to_thread(read)

    async def holdings(self) -> Holdings:
        """What is here; part files that nobody writes any more are removed first."""

        def look() -> Holdings:
            sweep(self.staging)
            images: dict[str, int] = {}
            for path in self.directory.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if path.is_file():
                        images[path.name] = path.stat().st_size
            return Holdings(images, sorted({path.name.removesuffix(PART) for path in self.staging.iterdir()}))

        return await asyncio.to_thread(look)
