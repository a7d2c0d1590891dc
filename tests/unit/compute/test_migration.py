"""Servers that go to other hosts: cold, live, and from dead ones."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from cloudd.compute.drivers.base import DriverError, PowerState
from cloudd.compute.store.block_device import block_device_table
from cloudd.placement.client import PlacementClient
from tests.unit.compute.conftest import FIRST_HOST, Compute
from tests.unit.compute.test_volume_attachment import make_volume

OTHER = "other-host"


@pytest.fixture
async def server_id(compute: Compute) -> str:
    """A server on the first of two hosts."""
    server_id = str((await compute.make_server())["id"])
    await compute.add_host(OTHER)
    return server_id


async def held(compute: Compute, consumer_id: str) -> list[str]:
    """The names of the hosts that a consumer holds something of."""
    placement = compute.cloud.cloud.client(PlacementClient)
    hosts = {host["id"]: host["hypervisor_hostname"] for host in (await compute.call("GET", "/os-hypervisors", as_="admin"))["hypervisors"]}
    return sorted(hosts[provider_id] for provider_id in await placement.allocations_of(consumer_id))


async def place(compute: Compute, server_id: str) -> tuple[str, str, str | None]:
    server = await compute.show(server_id)
    return server["status"], server["OS-EXT-SRV-ATTR:host"], server["OS-EXT-STS:task_state"]


async def bound_to(compute: Compute, server_id: str) -> list[str]:
    ports = (await compute.cloud.request("GET", "/network/v2.0/ports", as_="admin", params={"device_id": server_id})).json()["ports"]
    return [port["binding:host_id"] for port in ports]


async def migrations(compute: Compute, **options: Any) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = (await compute.call("GET", "/os-migrations", as_="admin", **options))["migrations"]
    return answer


async def live_migrate(compute: Compute, server_id: str, host: str | None = None, **options: Any) -> None:
    await compute.act(server_id, "os-migrateLive", {"host": host, "block_migration": "auto"}, as_="admin", **options)


async def test_cold_migration_and_confirmation(compute: Compute, server_id: str) -> None:
    await compute.act(server_id, "migrate", as_="admin")
    assert await place(compute, server_id) == ("VERIFY_RESIZE", OTHER, None)
    other = compute.driver_of(OTHER)
    assert other.domain_by_id[server_id].power_state is PowerState.RUNNING
    assert server_id not in compute.driver.domain_by_id
    assert await bound_to(compute, server_id) == [OTHER]
    (migration,) = await migrations(compute)
    assert (migration["status"], migration["migration_type"]) == ("finished", "migration")
    assert (await held(compute, server_id), await held(compute, migration["uuid"])) == ([OTHER], [FIRST_HOST])
    await compute.act(server_id, "confirmResize", status=204)
    assert await place(compute, server_id) == ("ACTIVE", OTHER, None)
    assert compute.driver.disks == set()
    assert await held(compute, migration["uuid"]) == []
    assert (await migrations(compute))[0]["status"] == "confirmed"
    actions = (await compute.call("GET", f"/servers/{server_id}/os-instance-actions"))["instanceActions"]
    assert [action["action"] for action in actions] == ["confirmResize", "migrate", "create"]


async def test_cold_migration_of_a_stopped_server_taken_back(compute: Compute, server_id: str) -> None:
    await compute.act(server_id, "os-stop")
    await compute.act(server_id, "migrate", {"host": OTHER}, as_="admin")
    assert compute.driver_of(OTHER).domain_by_id[server_id].power_state is PowerState.SHUTOFF
    await compute.act(server_id, "revertResize")
    assert await place(compute, server_id) == ("SHUTOFF", FIRST_HOST, None)
    assert compute.driver_of(OTHER).disks == set()
    assert await bound_to(compute, server_id) == [FIRST_HOST]
    assert await held(compute, server_id) == [FIRST_HOST]
    await compute.act(server_id, "os-start")
    assert compute.driver.domain_by_id[server_id].power_state is PowerState.RUNNING


async def test_resize_goes_where_there_is_room(compute: Compute) -> None:
    # The image is in the hosts' cache afterwards: nobody serves HTTP here.
    await compute.make_server("before")
    small = await compute.add_host("small-host", vcpus=1, memory_mib=800, disk_gib=100)
    await compute.call("PUT", f"/os-services/{await service_id(compute, FIRST_HOST)}", {"status": "disabled"}, as_="admin")
    server_id = (await compute.make_server())["id"]
    assert server_id in small.domain_by_id
    await compute.call("PUT", f"/os-services/{await service_id(compute, FIRST_HOST)}", {"status": "enabled"}, as_="admin")
    await compute.act(server_id, "resize", {"flavorRef": "2"})
    assert await place(compute, server_id) == ("VERIFY_RESIZE", FIRST_HOST, None)
    assert compute.driver.domain_by_id[server_id].spec.memory_mib == 512
    await compute.act(server_id, "revertResize")
    assert await place(compute, server_id) == ("ACTIVE", "small-host", None)
    assert small.domain_by_id[server_id].spec.memory_mib == 128


async def service_id(compute: Compute, host: str) -> str:
    services = (await compute.call("GET", f"/os-services?host={host}", as_="admin"))["services"]
    return str(services[0]["id"])


@pytest.mark.parametrize("act", ["offer_disks", "receive_disks", "build"])
async def test_a_cold_migration_that_fails_leaves_the_server_where_it_was(compute: Compute, server_id: str, act: str) -> None:
    driver = compute.driver if act == "offer_disks" else compute.driver_of(OTHER)
    driver.fail_next(act, DriverError("broken", "It burns."))
    await compute.act(server_id, "migrate", as_="admin")
    assert await place(compute, server_id) == ("ACTIVE", FIRST_HOST, None)
    assert compute.driver.domain_by_id[server_id].power_state is PowerState.RUNNING
    assert (compute.driver_of(OTHER).domain_by_id, compute.driver_of(OTHER).disks) == ({}, set())
    (migration,) = await migrations(compute)
    assert migration["status"] == "error"
    assert (await held(compute, server_id), await held(compute, migration["uuid"])) == ([FIRST_HOST], [])
    assert await bound_to(compute, server_id) == [FIRST_HOST]


async def test_live_migration(compute: Compute, server_id: str) -> None:
    await live_migrate(compute, server_id)
    assert await place(compute, server_id) == ("ACTIVE", OTHER, None)
    domain = compute.driver_of(OTHER).domain_by_id[server_id]
    assert (domain.power_state, domain.boots) == (PowerState.RUNNING, 1)
    assert (compute.driver.domain_by_id, compute.driver.disks, compute.driver.offers) == ({}, set(), set())
    assert await bound_to(compute, server_id) == [OTHER]
    (migration,) = await migrations(compute)
    assert (migration["status"], migration["migration_type"], migration["dest_host"]) == ("completed", "live-migration", "10.9.0.2")
    assert (await held(compute, server_id), await held(compute, migration["uuid"])) == ([OTHER], [])
    await live_migrate(compute, server_id, FIRST_HOST)
    assert await place(compute, server_id) == ("ACTIVE", FIRST_HOST, None)


async def test_a_live_migration_is_followed_and_aborted(compute: Compute, server_id: str) -> None:
    compute.driver.holds_migrations = True
    body = {"os-migrateLive": {"host": None, "block_migration": "auto"}}
    await compute.call("POST", f"/servers/{server_id}/action", body, as_="admin")
    path = f"/servers/{server_id}/migrations"
    shown = await until_running(compute, path)
    assert (await compute.show(server_id))["status"] == "MIGRATING"
    assert (shown["memory_remaining_bytes"], shown["server_uuid"]) == (60, server_id)
    await compute.call("POST", f"/servers/{server_id}/action", {"os-stop": None}, status=409)
    await compute.call("DELETE", f"{path}/{shown['id']}", as_="admin", version="2.23", status=404)
    await compute.call("DELETE", f"{path}/{shown['id']}", status=403)
    await compute.call("DELETE", f"{path}/{shown['id']}", as_="admin", status=202)
    await compute.cloud.settle()
    assert await place(compute, server_id) == ("ACTIVE", FIRST_HOST, None)
    assert (compute.driver_of(OTHER).domain_by_id, compute.driver_of(OTHER).disks) == ({}, set())
    (migration,) = await migrations(compute)
    assert migration["status"] == "cancelled"
    assert (await held(compute, server_id), await held(compute, migration["uuid"])) == ([FIRST_HOST], [])
    await compute.call("GET", f"{path}/{shown['id']}", as_="admin", status=404)
    assert (await compute.call("GET", path, as_="admin"))["migrations"] == []


async def until_running(compute: Compute, path: str) -> dict[str, Any]:
    """The only live migration, once it runs and has told how far it is."""
    for _ in range(200):
        found: list[dict[str, Any]] = (await compute.call("GET", path, as_="admin"))["migrations"]
        if found and found[0]["status"] == "running" and found[0]["memory_total_bytes"]:
            return found[0]
        await asyncio.sleep(0.02)
    raise AssertionError("it never ran")


async def test_a_live_migration_is_forced(compute: Compute, server_id: str) -> None:
    compute.driver.holds_migrations = True
    body = {"os-migrateLive": {"host": OTHER, "block_migration": True}}
    await compute.call("POST", f"/servers/{server_id}/action", body, as_="admin")
    path = f"/servers/{server_id}/migrations"
    shown = await until_running(compute, path)
    await compute.call("POST", f"{path}/{shown['id']}/action", {"force_complete": None}, as_="admin", status=202)
    await compute.cloud.settle()
    assert await place(compute, server_id) == ("ACTIVE", OTHER, None)


@pytest.mark.parametrize("act", ["receive_disks", "start_migration"])
async def test_a_live_migration_that_fails_leaves_the_server_running(compute: Compute, server_id: str, act: str) -> None:
    driver = compute.driver_of(OTHER) if act == "receive_disks" else compute.driver
    driver.fail_next(act, DriverError("broken", "It burns."))
    await live_migrate(compute, server_id)
    assert await place(compute, server_id) == ("ACTIVE", FIRST_HOST, None)
    assert compute.driver.domain_by_id[server_id].boots == 1
    assert (compute.driver_of(OTHER).domain_by_id, compute.driver_of(OTHER).disks) == ({}, set())
    assert (await migrations(compute))[0]["status"] == "error"
    assert await bound_to(compute, server_id) == [FIRST_HOST]


async def test_a_deletion_calls_a_live_migration_off(compute: Compute, server_id: str) -> None:
    compute.driver.holds_migrations = True
    body = {"os-migrateLive": {"host": OTHER, "block_migration": True}}
    await compute.call("POST", f"/servers/{server_id}/action", body, as_="admin")
    await until_running(compute, f"/servers/{server_id}/migrations")
    await compute.call("DELETE", f"/servers/{server_id}", status=204)
    await compute.cloud.settle()
    await compute.call("GET", f"/servers/{server_id}", status=404)
    for host in (FIRST_HOST, OTHER):
        assert compute.driver_of(host).disks == set()
    assert await held(compute, server_id) == []


async def test_what_is_refused(compute: Compute, server_id: str) -> None:
    async def refused(act: str, body: Any, status: int, **options: Any) -> None:
        await compute.call("POST", f"/servers/{server_id}/action", {act: body}, status=status, **{"as_": "admin", **options})

    live = {"host": OTHER, "block_migration": "auto"}
    await refused("os-migrateLive", live, 403, as_="demo")
    await refused("migrate", None, 403, as_="demo")
    await refused("evacuate", {}, 403, as_="demo")
    await refused("os-migrateLive", {**live, "host": FIRST_HOST}, 400)
    await refused("os-migrateLive", {**live, "host": "nowhere"}, 400)
    await refused("os-migrateLive", {**live, "block_migration": False}, 400)
    await refused("os-migrateLive", {"host": OTHER}, 400)
    await refused("os-migrateLive", {**live, "disk_over_commit": False}, 400)
    await refused("os-migrateLive", {**live, "force": True}, 400)
    await refused("os-migrateLive", {**live, "force": True}, 400, version="2.29")
    await refused("os-migrateLive", live, 400, version="2.24")
    await refused("os-migrateLive", {**live, "block_migration": True}, 400, version="2.1")
    await refused("migrate", {"host": FIRST_HOST}, 400)
    await refused("migrate", {"host": OTHER}, 400, version="2.55")
    await refused("evacuate", {"host": "nowhere"}, 404)
    await refused("evacuate", {"host": FIRST_HOST}, 400)
    await refused("evacuate", {}, 400)
    await refused("evacuate", {"onSharedStorage": False}, 400)
    await refused("evacuate", {}, 400, version="2.13")
    await compute.act(server_id, "os-stop")
    await refused("os-migrateLive", live, 409)
    assert (await compute.call("GET", "/os-migrations", as_="admin", version="2.1"))["migrations"] == []


async def test_a_cloud_of_one_host_says_so(compute: Compute) -> None:
    server_id = (await compute.make_server())["id"]
    answer = await compute.act(server_id, "migrate", as_="admin", status=400)
    assert answer["badRequest"]["message"].startswith("No valid host was found.")
    await live_migrate(compute, server_id, status=400)


async def test_older_forms(compute: Compute, server_id: str) -> None:
    body = {"os-migrateLive": {"host": OTHER, "block_migration": True, "disk_over_commit": False}}
    await compute.call("POST", f"/servers/{server_id}/action", body, as_="admin", version="2.1", status=202)
    await compute.cloud.settle()
    body = {"os-migrateLive": {"host": FIRST_HOST, "block_migration": "auto", "force": True}}
    await compute.call("POST", f"/servers/{server_id}/action", body, as_="admin", version="2.67", status=202)
    await compute.cloud.settle()
    assert (await place(compute, server_id))[1] == FIRST_HOST
    (newest, oldest) = await migrations(compute, version="2.22")
    assert (newest["id"], oldest["id"]) == (2, 1)
    assert "migration_type" not in newest
    assert "uuid" not in newest
    page = await compute.call("GET", "/os-migrations?limit=1", as_="admin", version="2.59")
    (first,) = page["migrations"]
    assert "user_id" not in first
    assert page["migrations_links"][0]["rel"] == "next"
    rest = await compute.call("GET", f"/os-migrations?limit=1&marker={first['uuid']}", as_="admin")
    assert [row["id"] for row in rest["migrations"]] == [1]
    assert rest["migrations"][0]["user_id"]
    assert len(await migrations(compute, version="2.80")) == 2
    await compute.call("GET", "/os-migrations?marker=absent", as_="admin", status=404)
    await compute.call("GET", "/os-migrations?changes-before=2020-01-01", as_="admin", version="2.59", status=400)
    found = await compute.call("GET", f"/os-migrations?source_compute={OTHER}&changes-since=2020-01-01", as_="admin", version="2.66")
    assert [row["id"] for row in found["migrations"]] == [2]
    await compute.call("GET", "/os-migrations", status=403)
    await compute.call("GET", f"/servers/{server_id}/migrations", as_="admin", version="2.22", status=404)


@pytest.mark.parametrize("rebooted", [True, False])
async def test_evacuation_and_the_return_of_the_dead(compute: Compute, server_id: str, rebooted: bool) -> None:
    first = compute.driver
    await compute.add_host("third-host")
    await compute.act(server_id, "evacuate", {}, as_="admin", status=400)
    rack = first.rack
    await lose_first(compute)
    answer = await compute.act(server_id, "evacuate", {"onSharedStorage": False, "host": OTHER}, as_="admin", status=400)
    body = {"evacuate": {"onSharedStorage": False, "host": OTHER}}
    answer = await compute.call("POST", f"/servers/{server_id}/action", body, as_="admin", version="2.13", status=200)
    assert answer["adminPass"]
    await compute.cloud.settle()
    assert await place(compute, server_id) == ("ACTIVE", OTHER, None)
    assert compute.driver_of(OTHER).domain_by_id[server_id].power_state is PowerState.RUNNING
    (migration,) = await migrations(compute)
    assert (migration["status"], migration["migration_type"]) == ("done", "evacuation")
    assert (await held(compute, server_id), await held(compute, migration["uuid"])) == ([OTHER], [])
    assert await bound_to(compute, server_id) == [OTHER]
    # The host is still believed down when it comes back; before anything else it lets go.
    assert server_id in first.domain_by_id
    await compute.return_host(FIRST_HOST, rebooted=rebooted)
    assert (first.domain_by_id, first.disks) == ({}, set())
    await compute.heal()
    assert (await migrations(compute))[0]["status"] == "completed"
    assert rack is first.rack


async def lose_first(compute: Compute) -> None:
    await compute.lose_host(FIRST_HOST)


async def test_evacuated_since_2_95_it_stays_off(compute: Compute, server_id: str) -> None:
    await lose_first(compute)
    await compute.act(server_id, "evacuate", {}, as_="admin", status=200)
    assert await place(compute, server_id) == ("SHUTOFF", OTHER, None)


async def test_a_host_forced_down_is_fenced_if_it_lives(compute: Compute, server_id: str) -> None:
    first = await service_id(compute, FIRST_HOST)
    await compute.call("PUT", f"/os-services/{first}", {"forced_down": True}, as_="admin")
    await compute.act(server_id, "evacuate", {}, as_="admin", status=200)
    assert server_id not in compute.driver.domain_by_id
    assert server_id in compute.driver_of(OTHER).domain_by_id
    await compute.call("PUT", f"/os-services/{first}", {"forced_down": False}, as_="admin", status=400)
    await compute.heal()
    await compute.call("PUT", f"/os-services/{first}", {"forced_down": False}, as_="admin")


async def test_an_evacuation_that_fails_leaves_the_server_to_its_host_in_error(compute: Compute, server_id: str) -> None:
    await lose_first(compute)
    compute.driver_of(OTHER).fail_next("build", DriverError("broken", "It burns."))
    await compute.act(server_id, "evacuate", {}, as_="admin", status=200)
    assert await place(compute, server_id) == ("ERROR", FIRST_HOST, None)
    assert (await compute.show(server_id))["fault"]["message"] == "Evacuation failed: It burns."
    assert compute.driver_of(OTHER).disks == set()
    assert await held(compute, server_id) == [FIRST_HOST]
    # Its host comes back with the disks, and leaves it to the operator to start it from them.
    await compute.return_host(FIRST_HOST)
    assert compute.driver.domain_by_id[server_id].power_state is PowerState.SHUTOFF
    await compute.act(server_id, "reboot", {"type": "HARD"})
    assert await place(compute, server_id) == ("ACTIVE", FIRST_HOST, None)
    assert compute.driver.domain_by_id[server_id].power_state is PowerState.RUNNING


async def test_a_failed_evacuation_goes_well_the_second_time(compute: Compute, server_id: str) -> None:
    await lose_first(compute)
    compute.driver_of(OTHER).fail_next("build", DriverError("broken", "It burns."))
    for status in ("ERROR", "SHUTOFF"):
        await compute.act(server_id, "evacuate", {}, as_="admin", status=200)
        assert (await compute.show(server_id))["status"] == status
    assert await held(compute, server_id) == [OTHER]
    await compute.return_host(FIRST_HOST)
    assert (compute.driver.domain_by_id, compute.driver.disks) == ({}, set())


async def test_a_host_with_servers_or_a_resize_is_not_forgotten(compute: Compute, server_id: str) -> None:
    first = await service_id(compute, FIRST_HOST)
    await compute.call("DELETE", f"/os-services/{first}", as_="admin", status=409)
    await compute.act(server_id, "migrate", as_="admin")
    await compute.call("DELETE", f"/os-services/{first}", as_="admin", status=409)
    await compute.act(server_id, "confirmResize", status=204)
    await compute.call("DELETE", f"/os-services/{first}", as_="admin", status=204)


async def attached(compute: Compute, server_id: str) -> str:
    """A volume that the server has."""
    volume_id = await make_volume(compute)
    await compute.call("POST", f"/servers/{server_id}/os-volume_attachments", {"volumeAttachment": {"volumeId": volume_id}})
    await compute.cloud.settle()
    return volume_id


async def test_a_volume_that_only_its_host_reaches_keeps_the_server_there(compute: Compute, server_id: str) -> None:
    volume_id = await attached(compute, server_id)
    async with compute.cloud.cloud.db.write() as tx:
        connection = {"driver": "file", "path": "/volumes/v", "format": "raw"}
        await tx.execute(sa.update(block_device_table).where(block_device_table.c.volume_id == volume_id).values(connection=connection))
    for act, body in (("migrate", None), ("os-migrateLive", {"host": None, "block_migration": "auto"})):
        answer = await compute.act(server_id, act, body, as_="admin", status=400)
        assert volume_id in answer["badRequest"]["message"]
    assert await place(compute, server_id) == ("ACTIVE", FIRST_HOST, None)


async def test_volumes_come_along(compute: Compute, server_id: str) -> None:
    volume_id = await attached(compute, server_id)

    async def where() -> tuple[str, str]:
        shown = (await compute.cloud.request("GET", f"/volume/v3/volumes/{volume_id}", as_="admin")).json()["volume"]
        return shown["status"], shown["attachments"][0]["host_name"]

    await live_migrate(compute, server_id)
    assert await where() == ("in-use", OTHER)
    await compute.act(server_id, "migrate", as_="admin")
    assert await where() == ("in-use", FIRST_HOST)
    await compute.act(server_id, "revertResize")
    assert await where() == ("in-use", OTHER)
    assert compute.driver_of(OTHER).domain_by_id[server_id].volumes == [volume_id]
