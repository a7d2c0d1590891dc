"""What load balancers are told, and how requests under way end when a process is to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloudd import server
from cloudd.kit.db import Database
from cloudd.server import Door
from tests.server import CloudProcess


class Gone:
    """A database that does not answer."""

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Any]:
        await asyncio.sleep(3600)
        yield None


async def slow(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0.3)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


def client(door: Door) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=door), base_url="http://cloud")


async def test_ready_with_a_database(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/x.db")
    answer = await client(Door(slow, db)).get("/healthcheck")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
    await db.close()


async def test_not_ready_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "DATABASE_SECONDS", 0.05)
    answer = await client(Door(slow, Gone())).get("/healthcheck")  # type: ignore[arg-type]
    assert answer.status_code == 503
    assert answer.json()["reason"] == "the database does not answer"


async def test_ready_while_requests_wait_for_a_failover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "DATABASE_SECONDS", 0.05)
    monkeypatch.setattr(server, "UNAVAILABLE_SECONDS", 0.2)
    db = Database(f"sqlite:///{tmp_path}/x.db")
    door = Door(slow, db)
    assert (await client(door).get("/healthcheck")).status_code == 200
    door._db = Gone()  # type: ignore[assignment]
    assert (await client(door).get("/healthcheck")).status_code == 200
    await asyncio.sleep(0.2)
    assert (await client(door).get("/healthcheck")).status_code == 503
    await db.close()


async def test_draining_tells_first_then_waits_for_what_is_under_way(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/x.db")
    door = Door(slow, db)
    http = client(door)
    first = asyncio.create_task(http.get("/identity/v3"))
    await asyncio.sleep(0.05)
    draining = asyncio.create_task(door.drain(0.1))
    await asyncio.sleep(0.05)
    told = await http.get("/healthcheck")
    assert (told.status_code, told.json()["reason"]) == (404, "draining")
    # Load balancers have not noticed yet: it is served.
    second = asyncio.create_task(http.get("/identity/v3"))
    await draining
    assert first.done() and second.done()
    assert (await first).text == (await second).text == "done"
    await db.close()


@pytest.mark.real
def test_a_process_that_is_to_stop_ends_what_it_has_begun(tmp_path: Path) -> None:
    """A whole process: SIGTERM, healthcheck 404 while requests are still served, then a clean end."""
    cloud = CloudProcess(tmp_path, api={"drain_seconds": 1})
    cloud.prepare()
    cloud.start()
    try:
        assert httpx.get(f"{cloud.url}/healthcheck").status_code == 200
        assert cloud.child is not None
        cloud.child.terminate()
        asked = time.monotonic()
        seen = set()
        while time.monotonic() - asked < 0.8:
            seen.add((httpx.get(f"{cloud.url}/healthcheck").status_code, httpx.get(f"{cloud.url}/identity/v3").status_code))
            time.sleep(0.05)
        assert (404, 200) in seen
        assert cloud.child.wait(15) == 0
    finally:
        cloud.stop()
