"""What becomes of servers when hosts and guests do what nobody asked for."""

from __future__ import annotations

import pytest

from cloudd.compute.drivers.base import PowerState
from tests.unit.compute.conftest import Compute

pytestmark = pytest.mark.services("identity", "image", "placement", "network", "compute")


async def test_after_a_reboot_of_the_host_what_ran_runs_again(compute: Compute) -> None:
    running, stopped = await compute.make_server("runs"), await compute.make_server("stands")
    await compute.act(stopped["id"], "os-stop")
    compute.driver.reboot_host()
    await compute.heal()
    assert compute.driver.domain_by_id[running["id"]].power_state is PowerState.RUNNING
    assert compute.driver.domain_by_id[stopped["id"]].power_state is PowerState.SHUTOFF
    assert (await compute.show(running["id"]))["status"] == "ACTIVE"
    assert (await compute.show(stopped["id"]))["status"] == "SHUTOFF"


async def test_a_guest_that_powers_off_becomes_shutoff(compute: Compute) -> None:
    server = await compute.make_server()
    compute.driver.domain_by_id[server["id"]].power_state = PowerState.SHUTOFF
    await compute.heal()
    assert (await compute.show(server["id"]))["status"] == "SHUTOFF"


async def test_a_server_whose_domain_and_disk_are_gone_says_so(compute: Compute) -> None:
    server = await compute.make_server()
    await compute.driver.destroy(server["id"])
    await compute.heal()
    after = await compute.show(server["id"])
    assert after["status"] == "ERROR"
    assert "disk" in after["fault"]["message"]


async def test_leftovers_of_deleted_servers_go_and_strangers_stay(compute: Compute) -> None:
    server = await compute.make_server()
    domain = compute.driver.domain_by_id[server["id"]]
    await compute.call("DELETE", f"/servers/{server['id']}", status=204)
    await compute.cloud.settle()
    compute.driver.domain_by_id[server["id"]] = domain
    compute.driver.domain_by_id["stranger"] = domain
    await compute.heal()
    assert set(compute.driver.domain_by_id) == {"stranger"}


@pytest.mark.parametrize("path", ["/latest/meta-data/instance-id", "/openstack/latest/meta_data.json"])
async def test_metadata_by_address(compute: Compute, path: str) -> None:
    from cloudd.network.messages import METADATA, MetadataRequest

    server = await compute.make_server()
    address = server["addresses"]["private"][0]["addr"]
    answer = await compute.cloud.cloud.bus.call(METADATA, MetadataRequest(network_id=compute.network_id, address=address, path=path))
    assert answer.status == 200
    assert server["id"][:8].encode() in answer.body
    nobody = await compute.cloud.cloud.bus.call(METADATA, MetadataRequest(network_id=compute.network_id, address="10.1.0.250", path=path))
    assert nobody.status == 404
