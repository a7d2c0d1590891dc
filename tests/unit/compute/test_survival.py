"""A kill before and after every step of every saga on a server: afterwards all is finished or in ERROR, and nothing leaks."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from cloudd.compute.drivers.base import DriverError, PowerState
from cloudd.compute.store.block_device import block_device_table
from cloudd.compute.store.interface import interface_table
from cloudd.compute.store.server import server_table
from cloudd.kit.saga import STUCK, saga_table
from cloudd.placement.client import PlacementClient
from tests.killer import Killer as SagaKiller
from tests.unit.compute.conftest import Compute
from tests.unit.compute.test_volume_attachment import make_volume, volume


class Killer(SagaKiller):
    """Kills the sagas of compute's cloud."""

    def __init__(self, compute: Compute) -> None:
        super().__init__(compute.cloud)


async def assert_clean(compute: Compute) -> None:
    """No server is left, and nothing of one."""
    cloud = compute.cloud.cloud
    async with cloud.db.read() as tx:
        for table in (block_device_table, interface_table):
            assert not await tx.scalar(sa.select(sa.func.count()).select_from(table))
        assert not await tx.scalar(sa.select(sa.func.count()).select_from(server_table).where(server_table.c.deleted_at.is_(None)))
        assert not await tx.scalar(sa.select(sa.func.count()).select_from(saga_table).where(saga_table.c.state == STUCK))
    assert compute.driver.domain_by_id == {}
    ports = (await compute.cloud.request("GET", "/network/v2.0/ports", as_="admin")).json()["ports"]
    assert [port for port in ports if port["device_owner"].startswith("compute:")] == []
    for host in (await compute.call("GET", "/os-hypervisors", as_="admin"))["hypervisors"]:
        assert await cloud.client(PlacementClient).consumers_of(host["id"]) == {}


async def create(compute: Compute, made: list[str]) -> None:
    """Ask for a server and do not wait."""
    wanted = {"name": "s", "imageRef": compute.image_id, "flavorRef": "1", "networks": [{"uuid": compute.network_id}]}
    made[:] = [(await compute.call("POST", "/servers", {"server": wanted}))["server"]["id"]]


async def delete(compute: Compute, server_id: str) -> None:
    await compute.call("DELETE", f"/servers/{server_id}", status=204)
    await compute.cloud.settle()


async def test_create(compute: Compute) -> None:
    killer, made = Killer(compute), [""]

    async def work() -> None:
        await create(compute, made)

    points = await killer.points("compute.create_server", work)
    assert len(points) == 18
    await delete(compute, made[0])
    for point in points:
        await killer.with_kill_at(point, work)
        assert (await compute.show(made[0]))["status"] == "ACTIVE", point
        await delete(compute, made[0])
    await assert_clean(compute)


async def test_create_that_fails(compute: Compute) -> None:
    killer, made = Killer(compute), [""]

    async def work() -> None:
        compute.driver.fail_next("build", DriverError("broken", "The disk is full."))
        await create(compute, made)

    points = [point for point in await killer.points("compute.create_server", work) if ".undo." in point]
    assert points
    await delete(compute, made[0])
    for point in points:
        await killer.with_kill_at(point, work)
        assert (await compute.show(made[0]))["fault"]["message"] == "The disk is full.", point
        await delete(compute, made[0])
    await assert_clean(compute)


async def test_delete(compute: Compute) -> None:
    killer, server_id = Killer(compute), (await compute.make_server())["id"]

    async def work() -> None:
        await compute.call("DELETE", f"/servers/{server_id}", status=204)

    for point in await killer.points("compute.delete_server", work):
        server_id = (await compute.make_server())["id"]
        await killer.with_kill_at(point, work)
        await compute.call("GET", f"/servers/{server_id}", status=404)
    await assert_clean(compute)


@pytest.mark.parametrize("fails", [False, True])
async def test_attach_and_detach_volume(compute: Compute, fails: bool) -> None:
    killer, server_id, volume_id = Killer(compute), (await compute.make_server())["id"], await make_volume(compute)
    path = f"/servers/{server_id}/os-volume_attachments"

    async def attach() -> None:
        if fails:
            compute.driver.fail_next("attach_disk", DriverError("broken", "No slot is free."))
        await compute.call("POST", path, {"volumeAttachment": {"volumeId": volume_id}})

    async def detach() -> None:
        await compute.call("DELETE", f"{path}/{volume_id}", status=202)

    attach_points = await killer.points("compute.attach_volume", attach)
    detach_points = [] if fails else await killer.points("compute.detach_volume", detach)
    for point in attach_points:
        await killer.with_kill_at(point, attach)
        status = (await volume(compute, volume_id))["status"]
        plugged = compute.driver.domain_by_id[server_id].volumes
        # The fake fails once only: a step that was killed before its result was saved goes well the second time.
        assert (status, plugged) in [("in-use", [volume_id]), ("available", [])], point
        assert fails or status == "in-use"
        if status == "in-use":
            await detach()
            await compute.cloud.settle()
    for point in detach_points:
        await attach()
        await compute.cloud.settle()
        await killer.with_kill_at(point, detach)
        assert (await volume(compute, volume_id))["status"] == "available", point
        assert compute.driver.domain_by_id[server_id].volumes == []
    await delete(compute, server_id)
    await assert_clean(compute)


async def test_detach_interface_and_power(compute: Compute) -> None:
    killer, server_id = Killer(compute), (await compute.make_server())["id"]
    path = f"/servers/{server_id}/os-interface"

    async def attach() -> str:
        answer = await compute.call("POST", path, {"interfaceAttachment": {"net_id": compute.network_id}})
        return str(answer["interfaceAttachment"]["port_id"])

    port_id = await attach()

    async def detach() -> None:
        await compute.call("DELETE", f"{path}/{port_id}", status=202)

    for point in await killer.points("compute.detach_interface", detach):
        port_id = await attach()
        await killer.with_kill_at(point, detach)
        await compute.call("GET", f"{path}/{port_id}", status=404)

    async def stop() -> None:
        await compute.call("POST", f"/servers/{server_id}/action", {"os-stop": None})

    for point in await killer.points("compute.power_server", stop):
        await compute.act(server_id, "os-start")
        await killer.with_kill_at(point, stop)
        assert (await compute.show(server_id))["status"] == "SHUTOFF", point
    await delete(compute, server_id)
    await assert_clean(compute)


async def test_resize(compute: Compute) -> None:
    killer, server_id = Killer(compute), (await compute.make_server())["id"]

    async def act(name: str, body: Any = None) -> None:
        await compute.call("POST", f"/servers/{server_id}/action", {name: body})

    async def resize() -> None:
        await act("resize", {"flavorRef": "2"})

    async def revert() -> None:
        await act("revertResize")

    resize_points = await killer.points("compute.resize_server", resize)
    revert_points = await killer.points("compute.revert_resize", revert)
    for going, back in zip([*resize_points, *resize_points], [*revert_points, *revert_points], strict=False):
        await killer.with_kill_at(going, resize)
        assert (await compute.show(server_id))["status"] == "VERIFY_RESIZE", going
        await killer.with_kill_at(back, revert)
        server = await compute.show(server_id)
        assert (server["status"], server["flavor"]["ram"]) == ("ACTIVE", 128), back
    assert (await compute.call("GET", "/limits"))["limits"]["absolute"]["totalRAMUsed"] == 128
    await delete(compute, server_id)
    await assert_clean(compute)


async def test_rebuild(compute: Compute) -> None:
    killer, server_id = Killer(compute), (await compute.make_server())["id"]
    before = compute.driver.domain_by_id[server_id].ports

    async def rebuild() -> None:
        await compute.call("POST", f"/servers/{server_id}/action", {"rebuild": {"imageRef": compute.image_id}})

    for point in await killer.points("compute.rebuild_server", rebuild):
        await killer.with_kill_at(point, rebuild)
        assert (await compute.show(server_id))["status"] == "ACTIVE", point
        domain = compute.driver.domain_by_id[server_id]
        assert (domain.ports, domain.power_state) == (before, PowerState.RUNNING), point
    await delete(compute, server_id)
    await assert_clean(compute)


async def test_create_image(compute: Compute) -> None:
    killer, server_id, image_id = Killer(compute), (await compute.make_server())["id"], ""

    async def create_image() -> None:
        nonlocal image_id
        answer = await compute.call("POST", f"/servers/{server_id}/action", {"createImage": {"name": "kept"}})
        image_id = str(answer["image_id"])

    for point in await killer.points("compute.create_image", create_image):
        await killer.with_kill_at(point, create_image)
        image = (await compute.cloud.request("GET", f"/image/v2/images/{image_id}")).json()
        assert image["status"] == "active", point
        server = await compute.show(server_id)
        assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ACTIVE", None), point
    await delete(compute, server_id)
    await assert_clean(compute)


async def test_recover(compute: Compute) -> None:
    killer, server_id = Killer(compute), (await compute.make_server())["id"]

    async def lose_power() -> None:
        compute.driver.reboot_host()
        (agent,) = compute.agents.values()
        await agent._beat_once()

    for point in await killer.points("compute.recover_server", lose_power):
        await killer.with_kill_at(point, lose_power)
        assert (await compute.show(server_id))["status"] == "ACTIVE", point
        assert compute.driver.domain_by_id[server_id].power_state is PowerState.RUNNING, point
    await delete(compute, server_id)
    await assert_clean(compute)


async def test_confirm_resize(compute: Compute) -> None:
    killer, server_id = Killer(compute), (await compute.make_server())["id"]

    async def confirm() -> None:
        await compute.call("POST", f"/servers/{server_id}/action", {"confirmResize": None}, status=204)

    await compute.act(server_id, "resize", {"flavorRef": "2"})
    points = await killer.points("compute.confirm_resize", confirm)
    assert points
    await delete(compute, server_id)
    for point in points:
        server_id = (await compute.make_server())["id"]
        await compute.act(server_id, "resize", {"flavorRef": "2"})
        await killer.with_kill_at(point, confirm)
        server = await compute.show(server_id)
        assert (server["status"], server["flavor"]["ram"]) == ("ACTIVE", 512), point
        assert compute.driver.domain_by_id[server_id].before_resize is None, point
        await delete(compute, server_id)
    assert (await compute.call("GET", "/limits"))["limits"]["absolute"]["totalRAMUsed"] == 0
    await assert_clean(compute)
