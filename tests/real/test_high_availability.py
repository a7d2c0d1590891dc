"""Three controllers and two computes, as lab-ha has them: a second deploy, the cloud's health, and a sample of faults under load."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.faults.__main__ import Cost, Trial
from tests.faults.fault import Fault, faults
from tests.faults.instance import Instance, make_canary, remove_canary
from tests.faults.lab import Lab
from tests.real.lab_traces import traces
from tests.real.quickstart import ROOT

pytestmark = [pytest.mark.real, pytest.mark.timeout(2400)]

INVENTORY = ROOT / "inventory" / "lab-ha"
#: All of them: ./cloudctl faults -i inventory/lab-ha
SAMPLE = (
    "kill -9 cloudd api",
    "kill -9 MariaDB",
    "power off the controller with the virtual address",
    "cut the controller with the virtual address from the others",
)


def cloudctl(*words: str) -> str:
    """Run a verb as an operator does; returns what it prints."""
    done = subprocess.run([str(ROOT / "cloudctl"), *words], cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"./cloudctl {' '.join(words)}:\n{done.stdout[-3000:]}\n{done.stderr[-1500:]}"
    return done.stdout


def is_living(lab: Lab) -> bool:
    hosts = [lab.on(host, "echo living") for host in lab.hosts.values()]

    async def all_of_them() -> list[str]:
        return list(await asyncio.gather(*hosts))

    return all("living" in answer for answer in asyncio.run(all_of_them()))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The lab's cloud, living. Where there is none, the playbooks make it, and at the end it is removed again."""
    found = Lab(INVENTORY)
    lives = is_living(found)
    if not lives:
        for words in (("lab", "up", "lab-ha"), ("deploy", "-i", str(INVENTORY)), ("guest_images", "-i", str(INVENTORY))):
            print(cloudctl(*words))
    print(cloudctl("post_deploy", "-i", str(INVENTORY)))
    yield found
    if not lives:
        cloudctl("destroy", "-i", str(INVENTORY), "--yes-i-really-really-mean-it")
        cloudctl("lab", "down", "lab-ha")
        assert not traces("ha", 1), "the lab left something behind"


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
    cost = asyncio.run(strike(lab, fault, canary))
    print(cost)
    assert cost.writes_promised > 0
    assert cost.writes_lost == 0
    assert cost.canary_lost == 0
    assert cost.complaints == []


async def strike(lab: Lab, fault: Fault, canary: Instance) -> Cost:
    """The fault, made in a cloud that was well before."""
    trial = Trial(lab)
    await trial.api.log_in()
    _, complaints = await trial.health.wait(120)
    assert not complaints
    return await trial.strike(fault, canary.address)
