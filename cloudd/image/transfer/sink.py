"""Writes a stream to a file in constant memory: hashed while it passes, holes stay holes."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from typing import BinaryIO

CHUNK_BYTES = 1 << 20
# What is all zero in pieces of this size becomes a hole.
_PIECE_BYTES = 1 << 16
_ZEROES = bytes(_PIECE_BYTES)


class Sink:
    """Feed it chunks of any size; a thread hashes and writes one batch while the next one comes in."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha512()
        self._buffer = bytearray()
        self._busy: asyncio.Future[None] | None = None
        #: how many bytes were taken, those still on their way to the disk included
        self.size_bytes = 0

    async def take(self, chunks: AsyncIterator[bytes]) -> None:
        """Take all chunks; what came before an error is kept, and the next call goes on behind it."""
        async for chunk in chunks:
            self._buffer += chunk
            self.size_bytes += len(chunk)
            if len(self._buffer) >= CHUNK_BYTES:
                await self._write(len(self._buffer) // _PIECE_BYTES * _PIECE_BYTES)

    async def finish(self) -> str:
        """The SHA-512 of everything, now that all of it is on the disk."""
        await self._write(len(self._buffer))
        await self.settle()
        await asyncio.to_thread(self._sync)
        return self._digest.hexdigest()

    async def settle(self) -> None:
        """Wait for the thread, before the file may be closed."""
        if self._busy is not None:
            busy, self._busy = self._busy, None
            await asyncio.shield(busy)

    async def _write(self, size_bytes: int) -> None:
        await self.settle()
        data, self._buffer = bytes(self._buffer[:size_bytes]), self._buffer[size_bytes:]
        self._busy = asyncio.ensure_future(asyncio.to_thread(self._put, data))

    def _sync(self) -> None:
        # A hole at the end is made by the file's length alone.
        self._file.truncate(self._file.tell())
        self._file.flush()
        os.fsync(self._file.fileno())

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        whole = memoryview(data)
        for start in range(0, len(data), _PIECE_BYTES):
            piece = whole[start : start + _PIECE_BYTES]
            if piece == _ZEROES[: len(piece)]:
                self._file.seek(len(piece), os.SEEK_CUR)
            else:
                self._file.write(piece)
