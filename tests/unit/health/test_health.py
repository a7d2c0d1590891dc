"""The health report: nothing to say of a sound cloud, and each fault by its name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from cloudd.compute.store.host import host_table
from cloudd.compute.store.server import server_table
from cloudd.kit.clock import now
from cloudd.kit.db import metadata
from cloudd.kit.reconcile import reconciler_table
from cloudd.kit.saga import STUCK, saga_table
from cloudd.placement.client import PlacementClient
from tests.conftest import EmbeddedCloud
from tests.unit.compute.conftest import Compute, compute

__all__ = ["compute"]

LONG_AGO = timedelta(hours=1)


async def report(cloud: EmbeddedCloud) -> dict[str, list[dict[str, Any]]]:
    """The findings by check."""
    answer = await cloud.request("GET", "/health/", as_="admin")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    findings = {check["name"]: check["findings"] for check in body["checks"]}
    assert body["healthy"] is not any(one["level"] == "error" for found in findings.values() for one in found)
    assert all(one["text"] and one["remedy"] for found in findings.values() for one in found)
    return findings


async def set_row(cloud: EmbeddedCloud, table: sa.Table, key: str, **values: Any) -> None:
    async with cloud.cloud.db.write() as tx:
        await tx.execute(sa.update(table).where(table.c.id == key).values(**values))


@pytest.fixture
async def server_id(cloud: EmbeddedCloud, compute: Compute) -> str:
    """A server that has been ACTIVE for an hour."""
    made = await compute.make_server()
    await set_row(cloud, server_table, made["id"], updated_at=now() - LONG_AGO)
    return str(made["id"])


@pytest.mark.usefixtures("server_id")
async def test_a_sound_cloud(cloud: EmbeddedCloud) -> None:
    findings = await report(cloud)
    assert {name: found for name, found in findings.items() if found} == {}
    assert {"compute.hosts", "compute.hypervisors", "network.engine", "volume.data", "health.sagas", "health.workers"} <= findings.keys()


async def test_it_is_for_administrators(cloud: EmbeddedCloud) -> None:
    assert (await cloud.request("GET", "/health/")).status_code == 403
    assert (await cloud.request("GET", "/health/", as_=None)).status_code == 401


@pytest.mark.usefixtures("server_id")
async def test_a_silent_host(cloud: EmbeddedCloud) -> None:
    async with cloud.cloud.db.write() as tx:
        await tx.execute(sa.update(host_table).values(seen_at=now() - LONG_AGO))
    (finding,) = (await report(cloud))["compute.hosts"]
    assert finding["level"] == "error"
    assert finding["subject"] == "testhost"


async def test_a_domain_that_is_gone_and_one_that_nobody_knows(cloud: EmbeddedCloud, compute: Compute, server_id: str) -> None:
    domains = compute.driver.domain_by_id
    domains["11111111-2222-3333-4444-555555555555"] = domains.pop(server_id)
    found = (await report(cloud))["compute.hypervisors"]
    assert [one["level"] for one in found] == ["error", "warning"]
    assert server_id in found[0]["subject"]
    assert found[1]["subject"] == "11111111-2222-3333-4444-555555555555"


async def test_a_server_without_allocation_and_an_allocation_without_server(cloud: EmbeddedCloud, server_id: str) -> None:
    placement = cloud.cloud.client(PlacementClient)
    ((provider, amounts),) = (await placement.allocations_of(server_id)).items()
    await placement.release(server_id)
    await placement.claim("99999999-2222-3333-4444-555555555555", provider, amounts, "p", "u")
    found = (await report(cloud))["compute.allocations"]
    assert len(found) == 2
    assert server_id in found[0]["subject"]
    assert "99999999" in found[1]["text"]


async def test_a_server_in_error(cloud: EmbeddedCloud, server_id: str) -> None:
    await set_row(cloud, server_table, server_id, vm_state="error")
    (finding,) = (await report(cloud))["compute.servers"]
    assert server_id in finding["subject"]


async def test_a_volume_whose_data_is_lost(cloud: EmbeddedCloud) -> None:
    made = await cloud.request("POST", "/volume/v3/volumes", json={"volume": {"size": 1}})
    await cloud.settle()
    volume_id = made.json()["volume"]["id"]
    await set_row(cloud, metadata.tables["volume_volume"], volume_id, status="error", reason="Its disk broke.")
    (finding,) = (await report(cloud))["volume.volumes"]
    assert "Its disk broke." in finding["text"]


async def test_an_object_that_the_engine_lacks(cloud: EmbeddedCloud) -> None:
    made = await cloud.request("POST", "/network/v2.0/networks", json={"network": {"name": "n"}})
    network_id = made.json()["network"]["id"]
    await set_row(cloud, metadata.tables["network_network"], network_id, id="gone-" + network_id[5:])
    found = (await report(cloud))["network.engine"]
    assert {one["text"] for one in found} == {"the engine lacks it", "the engine has it without a row"}


async def test_a_stuck_saga_is_told_and_may_go_on(cloud: EmbeddedCloud, server_id: str) -> None:
    async with cloud.cloud.db.read() as tx:
        (row,) = await tx.rows(sa.select(saga_table.c.id).where(saga_table.c.resource_id == server_id))
    await set_row(cloud, saga_table, row["id"], state=STUCK, error={"code": "x", "text": "The host was gone.", "status": 500})
    (finding,) = (await report(cloud))["health.sagas"]
    assert "The host was gone." in finding["text"]
    assert row["id"] in finding["remedy"]
    resumed = await cloud.request("POST", f"/health/sagas/{row['id']}/resume", as_="admin")
    assert (resumed.status_code, resumed.json()["resource_id"]) == (202, server_id)
    await cloud.settle()
    # Its undo took the half-made server away again.
    assert (await report(cloud))["health.sagas"] == []
    again = await cloud.request("POST", f"/health/sagas/{row['id']}/resume", as_="admin")
    assert again.status_code == 404
    assert "is stuck" in again.json()["error"]["message"]


@pytest.mark.usefixtures("server_id")
async def test_a_check_that_fails_is_itself_a_finding(cloud: EmbeddedCloud) -> None:
    cloud.cloud.bus.withdraw("compute.agent.testhost")
    (finding,) = (await report(cloud))["compute.hypervisors"]
    assert finding["subject"] == "the check itself"
    assert "nobody serves it" in finding["text"]


async def test_an_image_without_a_copy(cloud: EmbeddedCloud, compute: Compute) -> None:
    assert (await report(cloud))["image.copies"] == []
    async with cloud.cloud.db.write() as tx:
        await tx.execute(sa.delete(metadata.tables["image_location"]))
    (finding,) = (await report(cloud))["image.copies"]
    assert finding["level"] == "error"
    assert compute.image_id in finding["subject"]


async def test_a_cloud_whose_workers_are_gone(cloud: EmbeddedCloud) -> None:
    async with cloud.cloud.db.write() as tx:
        await tx.execute(sa.insert(reconciler_table).values(id="other", owner="a worker that died", lease_until=now() - LONG_AGO))
        await tx.execute(sa.delete(reconciler_table).where(reconciler_table.c.id != "other"))
    (finding,) = (await report(cloud))["health.workers"]
    assert finding["level"] == "error"
