"""A cloud of several hosts goes to a real version N+1 and back under load: no request fails, no write and no packet is lost."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.__main__ import Trial
from tests.faults.canary import Canary
from tests.faults.instance import make_canary, remove_canary
from tests.faults.lab import Host, Lab
from tests.faults.load import Load, Sample, failed
from tests.real import next_version
from tests.real.quickstart import ROOT

pytestmark = [pytest.mark.real, pytest.mark.several_hosts, pytest.mark.timeout(3600)]

INVENTORY = ROOT / "inventory" / os.environ.get("CLOUD_UNDER_TEST", "lab-ha")
SETTLE_SECONDS = 3.0
#: A unit that starts on one version only; systemd has a variable's $ doubled.
SPOIL = (
    "mkdir -p /etc/systemd/system/cloudd-agent.service.d && "
    "printf '[Service]\\nExecStartPre=/bin/sh -c \"[ $$(readlink /opt/cloudd/current) = %s ]\"\\n' $(readlink /opt/cloudd/current) "
    "> /etc/systemd/system/cloudd-agent.service.d/spoilt.conf && systemctl daemon-reload && echo spoilt"
)
MEND = "rm -f /etc/systemd/system/cloudd-agent.service.d/spoilt.conf && systemctl daemon-reload && echo mended"
#: What N+1 has added to the database, so that the next N+1 begins anew.
FORGET = (
    "mariadb cloudd -e \"ALTER TABLE compute_host DROP COLUMN IF EXISTS kernel; UPDATE alembic_version SET version_num = '{newest}' "
    "WHERE version_num = '9001'\" && echo forgotten"
)


def run(verb: str, source: Path = ROOT, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a verb as an operator does, with cloudd from `source`."""
    wheels = ["-e", f"wheelhouse_source={source}", "-e", f"wheelhouse_directory={ROOT}/.cache/wheelhouse"]
    command = [str(ROOT / "cloudctl"), verb, "-i", str(INVENTORY), *wheels, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def must(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1500:]


@dataclass
class Toll:
    """What something cost that was done under load."""

    sent: int
    failed: list[Sample]
    writes_promised: int
    writes_lost: int
    canary_sent: int
    canary_lost: int
    seconds: float

    def assert_nothing_lost(self, what: str) -> None:
        print(
            f"{what}: {self.seconds:.0f} s, {self.sent} requests, {len(self.failed)} failed; {self.writes_promised} writes, "
            f"{self.writes_lost} lost; {self.canary_sent} packets, {self.canary_lost} lost"
        )
        assert not self.failed, [(sample.path, sample.error) for sample in self.failed[:10]]
        assert not self.writes_lost
        assert not self.canary_lost


class Cloud:
    """The lab's cloud, and its hosts' versions."""

    def __init__(self) -> None:
        self.lab = Lab(INVENTORY)
        self.trial = Trial(self.lab)

    def on(self, host: Host, command: str) -> str:
        return asyncio.run(self.lab.on(host, command, timeout_seconds=60)).strip()

    def links(self) -> dict[str, tuple[str, str]]:
        """By host: the versions that `current` and `former` name."""
        found = {name: self.on(host, "cd /opt/cloudd; readlink current; readlink former; true") for name, host in self.lab.hosts.items()}
        words = {name: [*text.split(), "", ""] for name, text in found.items()}
        return {name: (current, former) for name, (current, former, *_) in words.items()}

    def kernels(self) -> list[str | None]:
        """What the changed route tells of each compute host; None where the answer has no such field."""

        async def ask() -> list[str | None]:
            await self.trial.api.log_in()
            answer = await self.trial.api.request("GET", "/compute/v2.1/os-services")
            return [service.get("kernel") for service in answer.json()["services"]]

        return asyncio.run(ask())

    def under_load(self, verb: str, source: Path, canary_address: str) -> Toll:
        """Run a verb while clients read and write and an instance is pinged."""
        return asyncio.run(self._under_load(verb, source, canary_address))

    async def _under_load(self, verb: str, source: Path, canary_address: str) -> Toll:
        await self.trial.api.log_in()
        load, canary = Load(self.trial.api), Canary(canary_address)
        await load.lift_quota()
        running = [asyncio.create_task(load.run()), asyncio.create_task(canary.run())]
        begun = time.monotonic()
        try:
            await asyncio.sleep(SETTLE_SECONDS)
            done = await asyncio.to_thread(run, verb, source)
            await asyncio.sleep(SETTLE_SECONDS)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        ended = time.monotonic()
        must(done)
        lost = await load.lost()
        return Toll(
            sent=len(load.samples),
            failed=failed(load.samples),
            writes_promised=len(load.promised),
            writes_lost=len(lost),
            canary_sent=len(canary.sent),
            canary_lost=len(canary.lost(begun, ended)),
            seconds=ended - begun,
        )


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """The cloud on this repository's version, with no upgrade under way."""
    must(run("rollback"))
    must(run("upgrade"))
    must(run("finalize"))
    found = Cloud()
    yield found
    must(run("rollback"))
    forget = FORGET.format(newest=next_version.newest_expansion())
    assert found.on(found.lab.in_group("control")[0], forget) == "forgotten"


@pytest.fixture(scope="module")
def next_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of version N+1."""
    source = tmp_path_factory.mktemp("next")
    next_version.make(ROOT, source)
    return source


@pytest.fixture(scope="module")
def canary_address(cloud: Cloud) -> Iterator[str]:
    name = cloud.lab.variables["cloud_name"]
    yield make_canary(name).address
    remove_canary(name)


def test_upgrade_and_rollback_under_load_lose_nothing(cloud: Cloud, next_source: Path, canary_address: str) -> None:
    before = cloud.links()
    assert len({current for current, _ in before.values()}) == 1
    assert set(cloud.kernels()) == {None}

    cloud.under_load("upgrade", next_source, canary_address).assert_nothing_lost("upgrade")
    after = cloud.links()
    assert len({current for current, _ in after.values()}) == 1
    assert {name: former for name, (_, former) in after.items()} == {name: current for name, (current, _) in before.items()}
    # The table, the message and the route that changed, from the agent to the client.
    assert all(cloud.kernels())

    cloud.under_load("rollback", next_source, canary_address).assert_nothing_lost("rollback")
    assert cloud.links() == before
    assert set(cloud.kernels()) == {None}


def test_an_upgrade_stops_at_the_first_host_that_is_not_well(cloud: Cloud, next_source: Path) -> None:
    hosts = [host for host in cloud.lab.hosts.values() if "compute" in host.groups and "control" not in host.groups]
    spoilt = hosts[0]
    before = cloud.links()
    assert cloud.on(spoilt, SPOIL) == "spoilt"
    try:
        done = run("upgrade", next_source, "-e", "cloudd_verify_timeout_seconds=30")
        assert done.returncode != 0
        assert "upgrade.stopped" in done.stdout + done.stderr
        links = cloud.links()
        assert links[spoilt.name][1] == before[spoilt.name][0]
        for later in hosts[1:]:
            assert links[later.name] == before[later.name]
        # Both versions side by side: the API of the new one has hosts of the old one.
        assert cloud.kernels()
        must(run("rollback", next_source))
        assert cloud.links() == before
        assert cloud.on(spoilt, "systemctl is-active cloudd-agent.service") == "active"
    finally:
        cloud.on(spoilt, MEND)
