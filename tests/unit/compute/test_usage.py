"""What projects used in a period of time, as `openstack usage` asks for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from cloudd.compute.store.server import server_table
from cloudd.kit.clock import iso_micro, now
from tests.unit.compute.conftest import Compute

pytestmark = pytest.mark.services("identity", "image", "placement", "network", "compute")
PATH = "/os-simple-tenant-usage"
START = now().replace(microsecond=0) - timedelta(days=2)
END = START + timedelta(days=1)
DAY = f"start={START:%Y-%m-%dT%H:%M:%S}&end={END:%Y-%m-%d %H:%M:%S.%f}"


async def set_times(compute: Compute, server_id: str, **times: datetime | None) -> None:
    async with compute.cloud.cloud.db.write() as tx:
        await tx.execute(sa.update(server_table).where(server_table.c.id == server_id).values(**times))


async def make_server(compute: Compute, launched: datetime | None, deleted: datetime | None = None, **options: Any) -> dict[str, Any]:
    """A server that was there from one moment to the other, whatever the clock says."""
    server = await compute.make_server(**options)
    if deleted:
        await compute.call("DELETE", f"/servers/{server['id']}", status=204)
        await compute.cloud.settle()
    await set_times(compute, server["id"], launched_at=launched, **({"deleted_at": deleted} if deleted else {}))
    return server


async def usage(compute: Compute, query: str = DAY, **options: Any) -> dict[str, Any]:
    project_id = (await compute.show((await compute.call("GET", "/servers"))["servers"][0]["id"]))["tenant_id"]
    answer: dict[str, Any] = (await compute.call("GET", f"{PATH}/{project_id}?{query}", **options))["tenant_usage"]
    return answer


async def test_a_project_sees_what_its_servers_used(compute: Compute) -> None:
    hour = timedelta(hours=1)
    before = await make_server(compute, START - 10 * hour, name="before")
    ended = await make_server(compute, START - hour, START + 6 * hour, name="ended")
    within = await make_server(compute, START + 20 * hour, name="within")
    await make_server(compute, START - 9 * hour, START - hour, name="gone")
    await make_server(compute, END + hour, name="later")
    await make_server(compute, None, name="never")

    found = await usage(compute)
    hours = {one["instance_id"]: one["hours"] for one in found["server_usages"]}
    assert hours == {before["id"]: 24, ended["id"]: 6, within["id"]: 4}
    assert found["total_hours"] == 34
    (one,) = [one for one in found["server_usages"] if one["instance_id"] == ended["id"]]
    assert (one["name"], one["state"], one["uptime"]) == ("ended", "terminated", 7 * 3600)
    assert (one["started_at"], one["ended_at"]) == (iso_micro(START - hour), iso_micro(START + 6 * hour))
    assert found["total_vcpus_usage"] == 34 * one["vcpus"] > 0
    assert found["total_memory_mb_usage"] == 34 * one["memory_mb"] > 0
    assert found["total_local_gb_usage"] == 34 * one["local_gb"]
    assert (found["start"], found["stop"]) == (iso_micro(START), iso_micro(END))


async def test_an_administrator_sees_all_projects_and_nobody_else_does(compute: Compute) -> None:
    mine = await make_server(compute, START)
    body = {"name": "theirs", "imageRef": compute.image_id, "flavorRef": "1", "networks": "none"}
    theirs = (await compute.call("POST", "/servers", {"server": body}, as_="other"))["server"]
    await compute.cloud.settle()
    await set_times(compute, theirs["id"], launched_at=START)
    listed = (await compute.call("GET", f"{PATH}?{DAY}", as_="admin"))["tenant_usages"]
    projects = {one["tenant_id"]: one["total_hours"] for one in listed}
    assert list(projects.values()) == [24, 24]
    assert all("server_usages" not in one for one in listed)
    # As the API's description writes it, and as openstacksdk does.
    for written in ("1", "True"):
        detailed = (await compute.call("GET", f"{PATH}?{DAY}&detailed={written}", as_="admin"))["tenant_usages"]
        assert {server["instance_id"] for one in detailed for server in one["server_usages"]} == {mine["id"], theirs["id"]}
    await compute.call("GET", f"{PATH}?{DAY}", status=403)
    for project_id in projects:
        answers = {
            user: await compute.cloud.request("GET", f"/compute/v2.1{PATH}/{project_id}?{DAY}", as_=user)
            for user in ("demo", "other", "admin")
        }
        assert answers.pop("admin").status_code == 200
        assert sorted(answer.status_code for answer in answers.values()) == [200, 403]


async def test_pages_and_their_links(compute: Compute) -> None:
    servers = {(await make_server(compute, START))["id"] for _ in range(3)}
    seen, query = [], f"{DAY}&limit=2"
    for _ in range(2):
        answer = await compute.call("GET", f"{PATH}?detailed=1&{query}", version="2.40", as_="admin")
        seen += [server["instance_id"] for one in answer["tenant_usages"] for server in one["server_usages"]]
        query = answer.get("tenant_usages_links", [{"href": "?"}])[0]["href"].partition("?")[2]
    assert len(seen) == 3
    assert set(seen) == servers
    assert query == ""
    assert len((await usage(compute, f"{DAY}&limit=1", version="2.39"))["server_usages"]) == 3


async def test_a_project_without_servers_and_a_period_that_is_none(compute: Compute) -> None:
    server = await make_server(compute, now())
    project_id = (await compute.show(server["id"]))["tenant_id"]
    # From now to now where nothing is asked for.
    assert (await compute.call("GET", f"{PATH}/{project_id}"))["tenant_usage"].get("total_hours", 0) == 0
    # Clients ask until tomorrow; nothing has been used there.
    tomorrow = iso_micro(now() + timedelta(days=1))
    until_tomorrow = (await compute.call("GET", f"{PATH}/{project_id}?end={tomorrow}"))["tenant_usage"]
    assert 0 <= until_tomorrow["total_hours"] < 1
    assert (await compute.call("GET", f"{PATH}/none?{DAY}", as_="admin"))["tenant_usage"] == {}
    for query, text in (
        ("start=yesterday", "start=yesterday"),
        ("start=2026-03-02T00:00:00&end=2026-03-01T00:00:00", "cannot occur after the end time"),
    ):
        answer = await compute.cloud.request("GET", f"/compute/v2.1{PATH}/{project_id}?{query}")
        assert answer.status_code == 400
        assert text in answer.json()["badRequest"]["message"]
    await compute.call("GET", f"{PATH}/{project_id}?{DAY}&detailed=1", version="2.74")
    await compute.call("GET", f"{PATH}/{project_id}?{DAY}&detailed=1", version="2.75", status=400)
