"""Three controllers and two computes, as lab-ha has them: a second deploy, the cloud's health, and a sample of faults under load."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator

import pytest

from tests.faults.__main__ import Trial
from tests.faults.fault import faults
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


@pytest.mark.parametrize("name", SAMPLE)
def test_a_fault_costs_no_write_and_no_packet(lab: Lab, canary: Instance, name: str) -> None:
    fault = next(one for one in faults(lab, lab.hosts[canary.host]) if one.name == name)
    cost = asyncio.run(Trial(lab).strike(fault, canary.address))
    print(cost)
    assert cost.writes_promised > 0
    assert cost.writes_lost == 0
    assert cost.canary_lost == 0
    assert cost.complaints == []
