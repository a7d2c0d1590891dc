"""Takes in an image's bytes in constant memory: counts, hashes and inspects them on their way to disk."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from cloudd.image.domain.inspection import Inspection
from cloudd.image.errors import ImageTooLarge, StorageFull, UploadBroken, UploadStalled
from cloudd.image.messages import Facts
from cloudd.image.part_file import part_file
from cloudd.image.transfer.sink import CHUNK_BYTES
from cloudd.kit.errors import Condition


class Intake:
    """One content passing by: feed it in order, then ask for the facts."""

    def __init__(self, disk_format: str, container_format: str, limit_bytes: int) -> None:
        self.inspection = Inspection(disk_format, container_format)
        self.limit_bytes = limit_bytes
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha512 = hashlib.sha512()

    def feed(self, chunk: bytes) -> None:
        self.inspection.feed(chunk)
        if self.inspection.size_bytes > self.limit_bytes:
            raise ImageTooLarge(limit_bytes=self.limit_bytes)
        self._md5.update(chunk)
        self._sha512.update(chunk)

    def facts(self) -> Facts:
        virtual_size = self.inspection.finish()
        return Facts(self.inspection.size_bytes, virtual_size, self._md5.hexdigest(), self._sha512.hexdigest())


async def batches(body: AsyncIterator[bytes], idle_timeout_seconds: float) -> AsyncIterator[bytes]:
    """The body in pieces of about a megabyte, whatever the network cut it into. UploadStalled when the client falls silent."""
    buffer = bytearray()
    iterator = aiter(body)
    while True:
        try:
            async with asyncio.timeout(idle_timeout_seconds):
                chunk = await anext(iterator, None)
        except TimeoutError:
            raise UploadStalled(seconds=idle_timeout_seconds) from None
        if chunk is None:
            break
        buffer += chunk
        if len(buffer) >= CHUNK_BYTES:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


async def receive(
    body: AsyncIterator[bytes], target: Path, intake: Intake | None, idle_timeout_seconds: float, *, announced_bytes: int | None = None
) -> None:
    """Write a body to a file, durably: all of it, or no file stays. UploadBroken, UploadStalled, StorageFull, what the intake finds.

    BlockingIOError while somebody else writes the same file.
    """
    size = 0

    def write(file: BinaryIO, chunk: bytes) -> None:
        if intake is not None:
            intake.feed(chunk)
        file.write(chunk)

    try:
        with part_file(target) as file:
            async for chunk in batches(body, idle_timeout_seconds):
                await asyncio.to_thread(write, file, chunk)
                size += len(chunk)
            if announced_bytes not in (None, size):
                raise UploadBroken(reason=f"{size} of {announced_bytes} bytes arrived")
            await asyncio.to_thread(settle, file)
    except (Condition, BlockingIOError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull from error
        raise UploadBroken(reason=str(error) or type(error).__name__) from error


def settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


async def examine(path: Path, intake: Intake) -> Facts:
    """The facts of a file that is here already."""

    def read() -> Facts:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                intake.feed(chunk)
        return intake.facts()

    return await asyncio.to_thread(read)
