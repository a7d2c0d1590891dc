"""Three controllers and two computes, as lab-ha has them: a second deploy, the cloud's health, and a sample of faults under load."""

from __future__ import annotations

import asyncio
import csv
import re
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.faults.__main__ import Trial
from tests.faults.fault import Leaders, faults
from tests.faults.instance import Instance, make_canary, remove_canary
from tests.faults.lab import Lab
from tests.real.quickstart import INVENTORY, Quickstart, cloudctl

pytestmark = [pytest.mark.real, pytest.mark.several_hosts, pytest.mark.timeout(2400)]

#: All of them: ./cloudctl faults -i inventory/lab-ha
SAMPLE = (
    "kill -9 cloudd api",
    "kill -9 MariaDB",
    "power off the controller with the virtual address",
    "cut the controller with the virtual address from the others",
)
#: HAProxy's table of servers, with the requests that each has.
SHOW = """python3 -c 'import socket
link = socket.socket(socket.AF_UNIX)
link.connect("/run/haproxy/admin.sock")
link.sendall(b"show stat\\n")
print(link.makefile().read()[2:])'"""


@pytest.fixture(scope="module")
def lab(quickstart: Quickstart) -> Lab:
    """The lab under the living cloud."""
    assert quickstart.host_address
    return Lab(INVENTORY)


@pytest.fixture(scope="module")
def canary(lab: Lab) -> Iterator[Instance]:
    made = make_canary(lab.variables["cloud_name"])
    yield made
    remove_canary(lab.variables["cloud_name"])


def test_a_second_deploy_changes_nothing(lab: Lab) -> None:
    started = time.monotonic()
    said = cloudctl("deploy", "-i", str(lab.inventory))
    print(f"second deploy: {time.monotonic() - started:.1f} s")
    assert re.search(r"changed=0\b", said), said


def test_hosts_and_cloud_are_well(lab: Lab) -> None:
    assert "well" in cloudctl("check", "-i", str(lab.inventory))


async def test_an_upload_under_way_outlives_the_restart_of_its_controller(lab: Lab) -> None:
    trial = Trial(lab)
    api = trial.api
    await api.log_in()
    image = (await api.request("POST", "/image/v2/images", {"name": "slow", "disk_format": "raw", "container_format": "bare"})).json()

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(65536)
            await asyncio.sleep(0.5)

    upload = asyncio.create_task(
        api.request("PUT", f"/image/v2/images/{image['id']}/file", content=slowly(), **{"Content-Type": "application/octet-stream"})
    )
    try:
        await asyncio.sleep(1)
        host = lab.hosts[await busiest(lab)]
        started = await lab.on(host, "systemctl show -p MainPID cloudd-api")
        assert "MainPID=" in started
        await lab.on(host, "systemctl restart cloudd-api", timeout_seconds=60)
        assert (await upload).status_code == 204
        assert await lab.on(host, "systemctl show -p MainPID cloudd-api") != started
        assert (await api.surely("GET", f"/image/v2/images/{image['id']}")).json()["size"] == 20 * 65536
    finally:
        await api.surely("DELETE", f"/image/v2/images/{image['id']}")
    _, complaints = await trial.health.wait(60)
    assert not complaints


async def busiest(lab: Lab) -> str:
    """The controller to which the holder of the virtual address has sent most of the requests under way."""
    rows = csv.DictReader((await lab.on(await Leaders(lab).address_holder(), SHOW)).splitlines())
    return max((row for row in rows if row["pxname"] == "api" and row["svname"] in lab.hosts), key=lambda row: int(row["scur"]))["svname"]


@pytest.mark.parametrize("name", SAMPLE)
def test_a_fault_costs_no_write_and_no_packet(lab: Lab, canary: Instance, name: str) -> None:
    fault = next(one for one in faults(lab, lab.hosts[canary.host]) if one.name == name)
    cost = asyncio.run(Trial(lab).strike(fault, canary.address))
    print(cost)
    assert cost.writes_promised > 0
    assert cost.writes_lost == 0
    assert cost.canary_lost == 0
    assert cost.complaints == []
