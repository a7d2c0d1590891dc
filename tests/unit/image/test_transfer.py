"""Fetching images: taken up again, checked, fetched once, and dropped when nothing stands on them."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from cloudd.compute.drivers.libvirt.base_image import bases_in_use
from cloudd.image.errors import ImageNotFound, TransferCorrupt, TransferFailed
from cloudd.image.part_file import part_file, sweep
from cloudd.image.transfer import ImageCache, ImageSource, http
from tests.conftest import settings_for

CONTENT = os.urandom(2_500_000) + bytes(3 << 20)


class Peer:
    """Serves CONTENT over HTTP, each answer cut off after ``most`` bytes."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.most = 1 << 40
        self.status = 0
        self.requests: list[str] = []
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        asked = next((line.partition("bytes=")[2] for line in head.splitlines() if line.startswith("range:")), "")
        self.requests.append(asked)
        first = int(asked.partition("-")[0] or 0)
        body = self.content[first:]
        status = self.status or (206 if asked else 200)
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        writer.write(body[: self.most])
        await writer.drain()
        writer.close()

    def source(self) -> ImageSource:
        return ImageSource("an-image", "", "raw", len(CONTENT), hashlib.sha512(CONTENT).hexdigest(), f"http://127.0.0.1:{self.port}/x")


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    made = Peer()
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.fixture
async def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageCache:
    monkeypatch.setattr(http, "RETRY_SECONDS", (0.01, 0.01))
    made = ImageCache(tmp_path / "cache", settings_for(tmp_path, ("identity", "image")))
    await made.start()
    return made


async def look(cache: ImageCache, source: ImageSource) -> bytes:
    async with cache.hold(source) as path:
        return path.read_bytes()


def kept(cache: ImageCache) -> list[str]:
    return sorted(path.name for path in cache.directory.rglob("*") if path.is_file())


async def test_a_broken_transfer_goes_on_where_it_stood(cache: ImageCache, peer: Peer) -> None:
    peer.most = 2_000_000
    assert await look(cache, peer.source()) == CONTENT
    assert len(peer.requests) == 3
    assert all(request for request in peer.requests[1:])
    (path,) = (path for path in cache.directory.iterdir() if path.is_file())
    assert path.stat().st_blocks * 512 < len(CONTENT) - (5 << 19), "holes stay holes"


async def test_many_at_once_fetch_once(cache: ImageCache, peer: Peer) -> None:
    assert await asyncio.gather(*(look(cache, peer.source()) for _ in range(8))) == [CONTENT] * 8
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda peer: setattr(peer, "content", CONTENT[::-1]), TransferCorrupt),
        (lambda peer: setattr(peer, "content", CONTENT[:-1]), TransferCorrupt),
        (lambda peer: setattr(peer, "status", 404), ImageNotFound),
        (lambda peer: setattr(peer, "status", 403), TransferFailed),
        (lambda peer: setattr(peer, "status", 503), TransferFailed),
        (lambda peer: setattr(peer, "most", 0), TransferFailed),
    ],
)
async def test_what_does_not_come_through_leaves_nothing(
    cache: ImageCache, peer: Peer, spoil: Callable[[Peer], None], error: type[Exception]
) -> None:
    spoil(peer)
    with pytest.raises(error):
        await look(cache, peer.source())
    assert kept(cache) == []


async def test_a_file_of_the_same_host_costs_nothing(cache: ImageCache, peer: Peer, tmp_path: Path) -> None:
    near = tmp_path / "near"
    near.write_bytes(CONTENT)
    assert await look(cache, msgspec.structs.replace(peer.source(), path=str(near))) == CONTENT
    assert peer.requests == []
    assert near.stat().st_nlink == 2


async def test_the_least_recently_used_go_and_those_in_use_stay(cache: ImageCache, tmp_path: Path) -> None:
    cache.grace_seconds = 0
    cache._limit_bytes = 3 << 20
    instances = tmp_path / "instances" / "a-server"
    instances.mkdir(parents=True)
    cache._in_use = lambda: bases_in_use(tmp_path / "instances")
    for age, name in enumerate(("backing", "held", "old", "young")):
        (cache.directory / name).write_bytes(os.urandom(2 << 20))
        os.utime(cache.directory / name, (age, age))
    base = cache.directory / "backing"
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "raw", str(instances / "root.qcow2"), "4M"]
    await asyncio.to_thread(subprocess.run, command, check=True)
    source = ImageSource("held", "", "raw", 2 << 20)
    (cache.directory / "held").rename(cache.directory / source.key)
    async with cache.hold(source):
        os.utime(cache.directory / source.key, (0, 0))
        await cache.evict()
        assert kept(cache) == ["backing", source.key]
    (instances / "root.qcow2").unlink()
    cache._limit_bytes = 0
    await cache.evict()
    assert kept(cache) == []


async def test_a_killed_writer_leaves_a_part_that_the_next_start_removes(cache: ImageCache) -> None:
    script = f"""
import os, pathlib
from cloudd.image.part_file import part_file
with part_file(pathlib.Path({str(cache.directory / "an-image.x")!r})) as file:
    file.write(b"half"); file.flush()
    os._exit(9)
"""
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script], check=False)
    assert kept(cache) == ["an-image.x.part"]
    with part_file(cache.directory / "alive") as file:
        file.write(b"x")
        assert sweep(cache.directory) == 1
        with pytest.raises(BlockingIOError), part_file(cache.directory / "alive"):
            pass
    await cache.start()
    assert kept(cache) == ["alive"]
