"""A kill before and after every step and undo of the moves between hosts: one guest remains, on one host, and nothing leaks."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from cloudd.compute.drivers.base import DriverError, PowerState
from cloudd.compute.errors import HostFailed
from cloudd.compute.sagas.live_migrate_server import LiveMigrateServer
from cloudd.compute.store.migration import migration_table
from cloudd.kit.saga import Run
from tests.unit.compute.conftest import FIRST_HOST, Compute
from tests.unit.compute.test_survival import Killer, assert_clean, delete

OTHER = "other-host"


@pytest.fixture
async def server_id(compute: Compute) -> str:
    """A server on the first of two hosts."""
    server_id = str((await compute.make_server())["id"])
    await compute.add_host(OTHER)
    return server_id


def hosts_running(compute: Compute, server_id: str) -> list[str]:
    """The hosts on which the server's guest runs."""
    names = [FIRST_HOST, OTHER]
    drivers = {name: compute.driver_of(name) for name in names}
    return [
        name
        for name, driver in drivers.items()
        if server_id in driver.domain_by_id and driver.domain_by_id[server_id].power_state is PowerState.RUNNING
    ]


def hosts_with_disks(compute: Compute, server_id: str) -> list[str]:
    return [name for name in (FIRST_HOST, OTHER) if server_id in compute.driver_of(name).disks]


async def assert_nothing_left(compute: Compute, server_id: str) -> None:
    await delete(compute, server_id)
    for name in (FIRST_HOST, OTHER):
        driver = compute.driver_of(name)
        assert (driver.domain_by_id, driver.disks, driver.offers) == ({}, set(), set())
    async with compute.cloud.cloud.db.read() as tx:
        ended = ("completed", "cancelled", "confirmed", "reverted", "error", "done")
        assert not await tx.rows(sa.select(migration_table).where(migration_table.c.status.not_in(ended)))
    await assert_clean(compute)


async def ask(compute: Compute, server_id: str, act: str, body: Any = None) -> None:
    await compute.call("POST", f"/servers/{server_id}/action", {act: body}, as_="admin")


async def assert_whole(compute: Compute, server_id: str, point: str, *hosts: str) -> str:
    """The server is active, runs once, and its ports are where it runs; the host."""
    server = await compute.show(server_id)
    host = server["OS-EXT-SRV-ATTR:host"]
    assert (server["status"], server["OS-EXT-STS:task_state"]) == ("ACTIVE", None), point
    assert host in hosts, point
    assert hosts_running(compute, server_id) == [host], point
    assert hosts_with_disks(compute, server_id) == [host], point
    ports = (await compute.cloud.request("GET", "/network/v2.0/ports", as_="admin", params={"device_id": server_id})).json()["ports"]
    assert [port["binding:host_id"] for port in ports] == [host], point
    return str(host)


async def test_live_migration(compute: Compute, server_id: str) -> None:
    killer = Killer(compute)

    async def move() -> None:
        await ask(compute, server_id, "os-migrateLive", {"host": None, "block_migration": "auto"})

    points = await killer.points("compute.live_migrate_server", move)
    assert len(points) == 21
    for point in points:
        before = hosts_running(compute, server_id)
        await killer.with_kill_at(point, move)
        host = await assert_whole(compute, server_id, point, FIRST_HOST, OTHER)
        assert [host] != before, point
    await assert_nothing_left(compute, server_id)


async def test_live_migration_that_fails(compute: Compute, server_id: str) -> None:
    killer = Killer(compute)

    async def move() -> None:
        compute.driver.fail_next("start_migration", DriverError("broken", "It burns."))
        await ask(compute, server_id, "os-migrateLive", {"host": None, "block_migration": "auto"})

    points = await killer.points("compute.live_migrate_server", move)
    assert any(".undo." in point for point in points)
    for point in points:
        await killer.with_kill_at(point, move)
        host = await assert_whole(compute, server_id, point, FIRST_HOST, OTHER)
        if host == OTHER:
            # The fake fails once only: a step that was killed before its failure was saved goes well the second time.
            compute.driver.failures.clear()
            await ask(compute, server_id, "os-migrateLive", {"host": FIRST_HOST, "block_migration": "auto"})
            await compute.cloud.settle()
    await assert_nothing_left(compute, server_id)


async def test_a_step_that_fails_after_the_guest_has_landed(compute: Compute, server_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guest has left: the only way is forward, also for one that is killed on it."""
    killer, saga = Killer(compute), compute.cloud.cloud.sagas.sagas["compute.live_migrate_server"]
    assert isinstance(saga, LiveMigrateServer)
    settle, failures = saga.settle, [0]

    async def fail_once(run: Run) -> None:
        if failures:
            failures.clear()
            raise HostFailed(reason="It burns.")
        await settle(run)

    async def move() -> None:
        failures[:] = [0]
        await ask(compute, server_id, "os-migrateLive", {"host": None, "block_migration": "auto"})

    monkeypatch.setattr(saga, "settle", fail_once)
    points = [point for point in await killer.points("compute.live_migrate_server", move) if ".undo." in point]
    assert points
    for point in points:
        before = await assert_whole(compute, server_id, "before", FIRST_HOST, OTHER)
        await killer.with_kill_at(point, move)
        assert await assert_whole(compute, server_id, point, FIRST_HOST, OTHER) != before
    await assert_nothing_left(compute, server_id)


async def test_cold_migration(compute: Compute, server_id: str) -> None:
    killer = Killer(compute)

    async def move() -> None:
        await ask(compute, server_id, "migrate")

    async def revert() -> None:
        await ask(compute, server_id, "revertResize")

    async def confirm() -> None:
        await ask(compute, server_id, "confirmResize")

    move_points = await killer.points("compute.resize_server", move)
    revert_points = await killer.points("compute.revert_resize", revert)
    await assert_whole(compute, server_id, "reverted", FIRST_HOST)
    for going, back in zip([*move_points, *move_points], [*revert_points, *revert_points], strict=False):
        await killer.with_kill_at(going, move)
        assert (await compute.show(server_id))["status"] == "VERIFY_RESIZE", going
        assert hosts_running(compute, server_id) == [OTHER], going
        await killer.with_kill_at(back, revert)
        await assert_whole(compute, server_id, back, FIRST_HOST)
    await move()
    await compute.cloud.settle()
    for point in await killer.points("compute.confirm_resize", confirm):
        await move()
        await compute.cloud.settle()
        await killer.with_kill_at(point, confirm)
        await assert_whole(compute, server_id, point, FIRST_HOST, OTHER)
    await assert_nothing_left(compute, server_id)


@pytest.mark.parametrize("act", ["receive_disks", "build"])
async def test_cold_migration_that_fails(compute: Compute, server_id: str, act: str) -> None:
    killer = Killer(compute)

    async def move() -> None:
        compute.driver_of(OTHER).fail_next(act, DriverError("broken", "It burns."))
        await ask(compute, server_id, "migrate")

    for point in await killer.points("compute.resize_server", move):
        await killer.with_kill_at(point, move)
        server = await compute.show(server_id)
        if server["status"] == "VERIFY_RESIZE":
            compute.driver_of(OTHER).failures.clear()
            await compute.act(server_id, "revertResize", as_="admin")
        await assert_whole(compute, server_id, point, FIRST_HOST)
    await assert_nothing_left(compute, server_id)


@pytest.mark.parametrize("fails", [False, True])
async def test_evacuation(compute: Compute, server_id: str, fails: bool) -> None:
    """The dead host returns in the end, and the server still runs once."""
    killer, host = Killer(compute), FIRST_HOST

    async def evacuate() -> None:
        target = OTHER if host == FIRST_HOST else FIRST_HOST
        if fails:
            compute.driver_of(target).fail_next("build", DriverError("broken", "It burns."))
        body = {"evacuate": {}}
        await compute.call("POST", f"/servers/{server_id}/action", body, as_="admin", version="2.94", status=200)

    async def round_trip(work: Any) -> None:
        nonlocal host
        await compute.lose_host(host)
        await work()
        await compute.cloud.settle()
        lost, host = host, (await compute.show(server_id))["OS-EXT-SRV-ATTR:host"]
        await compute.return_host(lost)
        await compute.heal()
        compute.driver_of(OTHER if lost == FIRST_HOST else FIRST_HOST).failures.clear()
        if (await compute.show(server_id))["status"] == "ERROR":
            assert fails
            assert hosts_running(compute, server_id) == []
            await compute.act(server_id, "reboot", {"type": "HARD"})
        await assert_whole(compute, server_id, "returned", FIRST_HOST, OTHER)

    points: list[str] = []

    async def undisturbed() -> None:
        points.extend(await killer.points("compute.evacuate_server", evacuate))

    await round_trip(undisturbed)
    assert any(".undo." in point for point in points) == fails
    for point in points:
        await round_trip(lambda point=point: killer.with_kill_at(point, evacuate))
    await assert_nothing_left(compute, server_id)
