"""A kill before and after every step and undo of an image's import: it is active, or waits for its content, and nothing leaks."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudd.image.client import ImageClient
from cloudd.kit.saga import STUCK, saga_table
from tests.conftest import EmbeddedCloud
from tests.killer import Killer
from tests.unit.image.test_image_api import CONTENT, User, contents

pytestmark = pytest.mark.services("identity", "image")


@pytest.fixture
def demo(cloud: EmbeddedCloud) -> User:
    return User(cloud, "demo")


@pytest.fixture
def files(cloud: EmbeddedCloud) -> Path:
    return cloud.cloud.client(ImageClient).files.directory


@pytest.mark.parametrize("fails", [False, True])
async def test_import(cloud: EmbeddedCloud, demo: User, files: Path, fails: bool) -> None:
    killer, image_id = Killer(cloud), ""

    async def start() -> None:
        nonlocal image_id
        # A content that is not what the image says is refused by the import.
        image_id = (await demo.image(disk_format="qcow2" if fails else "raw"))["id"]
        await demo.upload(image_id, verb="stage")
        await demo("POST", f"/v2/images/{image_id}/import", {"method": {"name": "glance-direct"}}, status=202)

    async def check(point: str) -> None:
        shown = (await demo("GET", f"/v2/images/{image_id}")).json()
        if fails:
            assert (shown["status"], contents(files)) == ("queued", []), point
            assert "qcow2" in shown["os_glance_import_failure"], point
        else:
            assert (shown["status"], contents(files)) == ("active", [image_id]), point
            assert (await demo("GET", f"/v2/images/{image_id}/file")).content == CONTENT, point
        await demo("DELETE", f"/v2/images/{image_id}", status=204)
        assert contents(files) == [], point

    points = await killer.points("image.import_image", start)
    await check("undisturbed")
    assert any(".undo." in point for point in points) is fails
    for point in points:
        await killer.with_kill_at(point, start)
        await check(point)
    async with cloud.cloud.db.read() as tx:
        assert not await tx.scalar(sa.select(sa.func.count()).select_from(saga_table).where(saga_table.c.state == STUCK))
