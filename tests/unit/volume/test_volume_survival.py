"""A kill before and after every step and undo of every saga on volumes: all is finished or in error, and nothing leaks."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from cloudd.kit.saga import STUCK, saga_table
from cloudd.volume.agent import VolumeAgent
from cloudd.volume.drivers.fake import FakeDriver
from cloudd.volume.errors import CopyFailed
from tests.conftest import EmbeddedCloud
from tests.killer import Killer
from tests.unit.volume.test_volume_api import User

pytestmark = [pytest.mark.services("identity", "image", "volume"), pytest.mark.timeout(300)]
#: one go of the work: prepares, starts the saga without waiting, and gives back what checks and clears up afterwards
Go = Callable[[], Awaitable[Callable[[], Awaitable[None]]]]


class Bench:
    def __init__(self, cloud: EmbeddedCloud) -> None:
        self.cloud = cloud
        self.user = User(cloud, "demo", "3.71")
        self.killer = Killer(cloud)
        (agent,) = [agent for agent in cloud.process.agents if isinstance(agent, VolumeAgent)]
        assert isinstance(agent.driver, FakeDriver)
        self.driver = agent.driver

    async def survive(self, kind: str, go: Go, *, at_least: int) -> None:
        """Do the work undisturbed once, then once more for each point that it passed, killed there."""
        checks: list[Callable[[], Awaitable[None]]] = []

        async def work() -> None:
            checks.append(await go())

        points = await self.killer.points(kind, work)
        await checks.pop()()
        assert len(points) >= at_least, points
        for point in points:
            await self.killer.with_kill_at(point, work)
            await checks.pop()()
        await self.assert_clean()

    async def remove(self, volume_id: str) -> None:
        await self.user("DELETE", f"/volumes/{volume_id}?cascade=true", status=202)
        await self.cloud.settle()

    async def assert_clean(self) -> None:
        assert (await self.user("GET", "/volumes"))["volumes"] == []
        assert self.driver.disks == {}
        assert self.driver.kept == {}
        usage = (await self.user("GET", f"/os-quota-sets/{self.cloud.projects['demo']}?usage=true"))["quota_set"]
        assert [usage[name]["in_use"] for name in ("volumes", "gigabytes", "snapshots")] == [0, 0, 0]
        async with self.cloud.cloud.db.read() as tx:
            assert not await tx.scalar(sa.select(sa.func.count()).select_from(saga_table).where(saga_table.c.state == STUCK))


@pytest.fixture
def bench(cloud: EmbeddedCloud) -> Bench:
    return Bench(cloud)


def failure() -> CopyFailed:
    return CopyFailed(command="test", reason="on purpose")


@pytest.mark.parametrize("broken", [False, True])
async def test_create_and_delete(bench: Bench, broken: bool) -> None:
    image = await bench.user.image()

    async def create() -> Callable[[], Awaitable[None]]:
        if broken:
            bench.driver.fail_next["create_from_image"] = failure()
        made = (await bench.user("POST", "/volumes", {"volume": {"size": 1, "imageRef": image}}, status=202))["volume"]

        async def check() -> None:
            assert (await bench.user.show(made["id"]))["status"] == ("error" if broken else "available")
            assert (made["id"] in bench.driver.disks) is not broken
            await bench.remove(made["id"])

        return check

    await bench.survive("volume.create_volume", create, at_least=8)

    async def delete() -> Callable[[], Awaitable[None]]:
        volume = await bench.user.volume()
        await bench.user.snapshot(volume["id"])
        await bench.user("DELETE", f"/volumes/{volume['id']}?cascade=true", status=202)

        async def check() -> None:
            await bench.user("GET", f"/volumes/{volume['id']}", status=404)

        return check

    if not broken:
        await bench.survive("volume.delete_volume", delete, at_least=6)


async def test_extend_and_revert(bench: Bench) -> None:
    async def extend() -> Callable[[], Awaitable[None]]:
        volume_id = (await bench.user.volume())["id"]
        await bench.user("POST", f"/volumes/{volume_id}/action", {"os-extend": {"new_size": 2}}, status=202)

        async def check() -> None:
            shown = await bench.user.show(volume_id)
            assert (shown["status"], shown["size"], bench.driver.disks[volume_id].size_bytes) == ("available", 2, 2 << 30)
            await bench.remove(volume_id)

        return check

    async def revert() -> Callable[[], Awaitable[None]]:
        volume_id = (await bench.user.volume())["id"]
        snapshot = await bench.user.snapshot(volume_id)
        bench.driver.disks[volume_id].written[0] = b"later"
        await bench.user("POST", f"/volumes/{volume_id}/action", {"revert": {"snapshot_id": snapshot["id"]}}, status=202)

        async def check() -> None:
            assert (await bench.user.show(volume_id))["status"] == "available"
            assert bench.driver.disks[volume_id].written == {}
            await bench.remove(volume_id)

        return check

    await bench.survive("volume.extend_volume", extend, at_least=9)
    await bench.survive("volume.revert_to_snapshot", revert, at_least=6)


@pytest.mark.parametrize("broken", [False, True])
async def test_snapshots(bench: Bench, broken: bool) -> None:
    async def create() -> Callable[[], Awaitable[None]]:
        volume_id = (await bench.user.volume())["id"]
        if broken:
            bench.driver.fail_next["create_snapshot"] = failure()
        made = (await bench.user("POST", "/snapshots", {"snapshot": {"volume_id": volume_id}}, status=202))["snapshot"]

        async def check() -> None:
            shown = (await bench.user("GET", f"/snapshots/{made['id']}"))["snapshot"]
            assert shown["status"] == ("error" if broken else "available")
            assert (made["id"] in bench.driver.kept) is not broken
            await bench.remove(volume_id)

        return check

    async def delete() -> Callable[[], Awaitable[None]]:
        volume_id = (await bench.user.volume())["id"]
        snapshot_id = (await bench.user.snapshot(volume_id))["id"]
        await bench.user("DELETE", f"/snapshots/{snapshot_id}", status=202)

        async def check() -> None:
            await bench.user("GET", f"/snapshots/{snapshot_id}", status=404)
            assert bench.driver.kept == {}
            await bench.remove(volume_id)

        return check

    await bench.survive("volume.create_snapshot", create, at_least=5)
    if not broken:
        await bench.survive("volume.delete_snapshot", delete, at_least=6)


@pytest.mark.parametrize("broken", [False, True])
async def test_upload(bench: Bench, broken: bool) -> None:
    async def upload() -> Callable[[], Awaitable[None]]:
        volume_id = (await bench.user.volume())["id"]
        bench.driver.disks[volume_id].written[0] = b"content"
        if broken:
            bench.driver.fail_next["write_image"] = failure()
        body: dict[str, Any] = {"os-volume_upload_image": {"image_name": "up"}}
        image_id = (await bench.user("POST", f"/volumes/{volume_id}/action", body, status=202))["os-volume_upload_image"]["image_id"]

        async def check() -> None:
            assert (await bench.user.show(volume_id))["status"] == "available"
            answer = await bench.cloud.request("GET", f"/image/v2/images/{image_id}")
            assert answer.status_code == (404 if broken else 200)
            assert broken or answer.json()["status"] == "active"
            await bench.remove(volume_id)

        return check

    await bench.survive("volume.upload_volume", upload, at_least=5)
