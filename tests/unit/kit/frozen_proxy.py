"""A TCP proxy in front of a MariaDB socket that can play the dead node: connections stay open and nothing comes through."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Self


class FrozenProxy:
    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.port = 0
        self._pairs: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._accepts_only = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.freeze()
        for writer in self._writers:
            writer.close()
        self._server.close()

    def freeze(self, *, also_new: bool = False) -> None:
        """From now on open connections carry nothing; new ones neither, with ``also_new``."""
        self._accepts_only = also_new
        for task in self._pairs:
            task.cancel()
        self._pairs.clear()

    def thaw(self) -> None:
        """New connections reach the database again."""
        self._accepts_only = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        if self._accepts_only:
            return
        from_database, to_database = await asyncio.open_unix_connection(str(self.socket))
        self._writers.append(to_database)
        self._pairs += [asyncio.create_task(_carry(reader, to_database)), asyncio.create_task(_carry(from_database, writer))]


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()
