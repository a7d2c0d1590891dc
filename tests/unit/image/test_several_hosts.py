"""Images on several control hosts: real HTTP between API processes and agents that share nothing but database and bus."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloudd.image.domain.healing import Healing
from cloudd.image.transfer import ImageCache, ImageTarget
from cloudd.kit.errors import Condition
from tests.image_hosts import OCTETS, ImageHost, start_hosts

RAW = {"disk_format": "raw", "container_format": "bare", "name": "x"}
CONTENT = os.urandom(3_000_000) + bytes(2_000_000)


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[list[ImageHost]]:
    made = await start_hosts(tmp_path, 3)
    yield made
    for host in made:
        await host.stop()


async def queued(host: ImageHost, **body: Any) -> str:
    answer = await host.http.post("/image/v2/images", json={**RAW, **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def put(host: ImageHost, image_id: str, content: bytes = CONTENT) -> int:
    return (await host.http.put(f"/image/v2/images/{image_id}/file", content=content, headers=OCTETS)).status_code


async def status(host: ImageHost, image_id: str) -> str:
    return str((await host.http.get(f"/image/v2/images/{image_id}")).json()["status"])


async def until(check: Any, what: str) -> None:
    for _ in range(100):
        if check():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(what)


async def heal(host: ImageHost) -> None:
    await Healing(host.process.cloud, host.images.locations).heal()


async def test_an_upload_reaches_every_host_and_a_delete_too(hosts: list[ImageHost]) -> None:
    image_id = await queued(hosts[0])
    assert await put(hosts[0], image_id) == 204
    assert sum(host.files() == [image_id] for host in hosts) >= 2, "acknowledged by a majority"
    await until(lambda: all(host.files() == [image_id] for host in hosts), "the third has it soon")
    for host in hosts:
        assert (host.directory / image_id).read_bytes() == CONTENT
    assert (await hosts[1].http.delete(f"/image/v2/images/{image_id}")).status_code == 204
    await until(lambda: not any(host.files() for host in hosts), "no host keeps it")


async def test_one_of_three_may_be_down_and_gets_the_file_when_it_is_back(hosts: list[ImageHost]) -> None:
    image_id, deleted = await queued(hosts[0]), await queued(hosts[0])
    assert await put(hosts[0], deleted) == 204
    await until(lambda: all(deleted in host.files() for host in hosts), "all have the one")
    await hosts[2].cut()
    await asyncio.sleep(0.8)
    assert await put(hosts[1], image_id) == 204
    assert (await hosts[0].http.delete(f"/image/v2/images/{deleted}")).status_code == 204
    assert hosts[2].files() == [deleted]
    await hosts[2].start()
    await heal(hosts[0])
    assert hosts[2].files() == [image_id]
    assert (hosts[2].directory / image_id).read_bytes() == CONTENT


async def test_without_a_majority_nothing_is_acknowledged(hosts: list[ImageHost]) -> None:
    await hosts[1].cut()
    await hosts[2].cut()
    await asyncio.sleep(0.8)
    image_id = await queued(hosts[0])
    assert await put(hosts[0], image_id) == 503
    assert await status(hosts[0], image_id) == "queued"
    assert hosts[0].files() == []
    await hosts[1].start()
    assert await put(hosts[0], image_id) == 204


async def test_a_host_without_the_file_streams_it_from_a_peer(hosts: list[ImageHost]) -> None:
    image_id = await queued(hosts[0])
    assert await put(hosts[0], image_id) == 204
    await until(lambda: all(host.files() == [image_id] for host in hosts), "all have it")
    (hosts[2].directory / image_id).unlink()
    path = f"/image/v2/images/{image_id}/file"
    assert (await hosts[2].http.get(path)).content == CONTENT
    part = await hosts[2].http.get(path, headers={"Range": "bytes=2999990-3000009"})
    assert (part.status_code, part.content) == (206, CONTENT[2999990:3000010])
    assert part.headers["content-range"] == f"bytes 2999990-3000009/{len(CONTENT)}"
    # The next one where the first holder is gone too, though its row still says that it has it.
    (hosts[0].directory / image_id).unlink()
    assert (await hosts[2].http.get(path)).content == CONTENT
    await heal(hosts[1])
    assert all(host.files() == [image_id] for host in hosts)


async def until_noted(host: ImageHost, image_id: str, names: set[str]) -> None:
    """Wait until exactly these hosts are known to have the file; heal meanwhile, for a host that is starved counts as dead for a moment."""
    async with asyncio.timeout(20):
        while set(await host.images.locations.hosts_of(image_id)) != names:
            await asyncio.sleep(0.1)
            await heal(host)


async def test_a_file_that_differs_is_replaced_and_one_that_is_nowhere_is_lost(hosts: list[ImageHost]) -> None:
    image_id = await queued(hosts[0])
    assert await put(hosts[0], image_id) == 204
    # A host notes a file after it has it: what is dropped before that would come back.
    await until_noted(hosts[0], image_id, {host.name for host in hosts})
    await hosts[0].images.locations.drop(image_id, "ctl2")
    (hosts[1].directory / image_id).write_bytes(bytes(len(CONTENT)))
    await heal(hosts[0])
    await until_noted(hosts[0], image_id, {host.name for host in hosts})
    assert (hosts[1].directory / image_id).read_bytes() == CONTENT
    for host in hosts:
        (host.directory / image_id).unlink()
    await heal(hosts[0])
    assert await status(hosts[0], image_id) == "killed"


async def test_what_was_staged_on_one_host_is_imported_by_a_worker_of_another(hosts: list[ImageHost]) -> None:
    image_id = await queued(hosts[1])
    answer = await hosts[1].http.put(f"/image/v2/images/{image_id}/stage", content=CONTENT, headers=OCTETS)
    assert answer.status_code == 204
    await hosts[0].process.cloud.sagas.run_worker(alone=True)
    body = {"method": {"name": "glance-direct"}}
    assert (await hosts[2].http.post(f"/image/v2/images/{image_id}/import", json=body)).status_code == 202
    await hosts[0].process.cloud.sagas.sweep()
    await hosts[0].process.cloud.sagas.idle()
    assert await status(hosts[0], image_id) == "active"
    assert (await hosts[0].http.get(f"/image/v2/images/{image_id}/file")).content == CONTENT
    await until(lambda: all(host.files() == [image_id] for host in hosts), "all have it")


async def test_a_host_fetches_once_and_hands_in(hosts: list[ImageHost], tmp_path: Path) -> None:
    image_id = await queued(hosts[0])
    assert await put(hosts[0], image_id) == 204
    cache = ImageCache(tmp_path / "cache", hosts[0].settings)
    await cache.start()
    source = await hosts[0].images.source_of(image_id, "cmp1")
    assert source.path == ""

    async def look() -> bytes:
        async with cache.hold(source) as path:
            return path.read_bytes()

    assert await asyncio.gather(*(look() for _ in range(5))) == [CONTENT] * 5
    assert [path.name for path in cache.directory.iterdir() if path.is_file()] == [source.key]
    made = await queued(hosts[0])
    target = hosts[0].images.target_of(made, "cmp1")

    async def make(path: Path) -> None:
        path.write_bytes(CONTENT[::-1])

    await cache.hand_in(target, make)
    await cache.hand_in(target, make)
    assert await status(hosts[1], made) == "active"
    shown = (await hosts[1].http.get(f"/image/v2/images/{made}")).json()
    assert shown["os_hash_value"] == hashlib.sha512(CONTENT[::-1]).hexdigest()


async def test_tickets_are_for_one_act_and_one_cloud(hosts: list[ImageHost], tmp_path: Path) -> None:
    image_id = await queued(hosts[0])
    assert await put(hosts[0], image_id) == 204
    tickets = hosts[0].images.tickets
    read = tickets.url("read", image_id)
    assert (await hosts[1].http.get(read)).content == CONTENT
    assert (await hosts[1].http.put(read, content=b"x", headers=OCTETS)).status_code == 403
    assert (await hosts[1].http.get(tickets.url("write", image_id))).status_code == 403
    head, _, tail = read.rpartition("/")[2].partition(".")
    for forged in (f"{head}.{tail[::-1]}", f"{head[:-2]}.{tail}", head, "x.y", f"{head}.{tail}.z"):
        assert (await hosts[1].http.get(f"/image/transfers/{forged}")).status_code == 403
    hosts[0].images.uploads.settings.transfer_ticket_seconds = -1
    assert (await hosts[1].http.get(tickets.url("read", image_id))).status_code == 403
    cache = ImageCache(tmp_path / "cache", hosts[0].settings)
    await cache.start()
    with pytest.raises(Condition, match="403"):
        await cache.hand_in(ImageTarget(image_id, read), lambda path: asyncio.to_thread(path.write_bytes, b"x"))  # type: ignore[arg-type,return-value]
