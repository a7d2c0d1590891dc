"""Moves image files over HTTP: checked while they stream, in constant memory, taken up again where a connection broke."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cached_property
from pathlib import Path

import httpx

from cloudd.image.errors import ImageNotFound, TransferCorrupt, TransferFailed
from cloudd.image.part_file import part_file
from cloudd.image.settings import ImageSettings
from cloudd.image.transfer.place import ImageSource
from cloudd.image.transfer.sink import CHUNK_BYTES, Sink
from cloudd.kit.settings import Settings

log = logging.getLogger(__name__)

#: waits between attempts that brought nothing; one that brought something starts them anew
RETRY_SECONDS = (0.2, 1, 2, 5)


class Transfers:
    """What a host fetches and sends image files with; its peers are the cloud's API processes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.section(ImageSettings)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.settings.ca_path)

    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(verify=self._tls, timeout=self.settings.transfer_idle_timeout_seconds, trust_env=False)

    async def fetch(self, source: ImageSource, final: Path) -> None:
        """Bring the bytes to the file `final`: whole and checked, or not at all. TransferFailed, TransferCorrupt, ImageNotFound."""
        await self._receive(source, final, lambda sink: self._fill(source, sink))

    async def copy(self, source: ImageSource, near: Path, final: Path) -> None:
        """As `fetch`, from a file of this host that lies on another file system."""
        await self._receive(source, final, lambda sink: sink.take(read_file(near)))

    async def _receive(self, source: ImageSource, final: Path, fill: Callable[[Sink], Awaitable[None]]) -> None:
        try:
            with part_file(final) as file:
                sink = Sink(file)
                try:
                    await fill(sink)
                    found = await sink.finish()
                finally:
                    await sink.settle()
                check(source, found, sink.size_bytes)
        except OSError as error:
            raise TransferFailed(image_id=source.image_id, reason=f"{final}: {error.strerror or error}") from error

    async def _fill(self, source: ImageSource, sink: Sink) -> None:
        attempt = 0
        while sink.size_bytes < source.size_bytes or not source.size_bytes:
            before = sink.size_bytes
            try:
                await sink.take(self.read(source.url, source.image_id, before))
            except httpx.HTTPError as error:
                attempt = 0 if sink.size_bytes > before else attempt + 1
                if attempt > len(RETRY_SECONDS):
                    raise TransferFailed(image_id=source.image_id, reason=str(error) or type(error).__name__) from error
                log.info("image %s: %s after %d bytes; it goes on from there", source.image_id, error, sink.size_bytes)
                await asyncio.sleep(RETRY_SECONDS[max(attempt - 1, 0)])
            else:
                # The peer has no more; whether that is all, the check says.
                return

    async def read(self, url: str, image_id: str, first: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes at an address from `first` on. httpx.HTTPError where the connection breaks, TransferFailed where the peer refuses."""
        last = "" if length is None else str(first + length - 1)
        headers = {"Range": f"bytes={first}-{last}"} if first or last else {}
        async with self._http() as http, http.stream("GET", url, headers=headers) as answer:
            if answer.status_code >= 500:
                raise httpx.HTTPError(f"the peer answers {answer.status_code}")
            if answer.status_code == 404:
                raise ImageNotFound(image_id=image_id)
            if answer.status_code != (206 if headers else 200):
                raise TransferFailed(image_id=image_id, reason=f"the peer answers {answer.status_code}")
            async for chunk in answer.aiter_raw():
                yield chunk

    async def send(self, image_id: str, path: Path, url: str) -> None:
        """PUT a file to an address. TransferFailed, or what the image service finds wrong with the content."""

        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(path.stat().st_size)}
        try:
            async with self._http() as http:
                answer = await http.put(url, content=read_file(path), headers=headers)
        except httpx.HTTPError as error:
            raise TransferFailed(image_id=image_id, reason=str(error) or type(error).__name__) from error
        if answer.status_code != 204:
            raise TransferFailed(image_id=image_id, reason=f"the peer answers {answer.status_code}: {answer.text[:500]}")


async def read_file(path: Path, first: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
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


def check(source: ImageSource, sha512: str, size_bytes: int) -> None:
    """TransferCorrupt unless these are the source's bytes."""
    if size_bytes != source.size_bytes:
        raise TransferCorrupt(image_id=source.image_id, reason=f"{size_bytes} of {source.size_bytes} bytes arrived")
    if source.sha512 and sha512 != source.sha512:
        raise TransferCorrupt(image_id=source.image_id, reason=f"SHA-512 is {sha512[:16]}…, not {source.sha512[:16]}…")
