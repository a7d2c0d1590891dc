"""A changed option reaches just the services that read it, one host at a time, and clients notice nothing."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.faults.__main__ import Trial
from tests.faults.lab import Host, Lab
from tests.faults.load import Load, failed
from tests.real.quickstart import ROOT

pytestmark = [pytest.mark.real, pytest.mark.several_hosts, pytest.mark.timeout(3600)]

INVENTORY = ROOT / "inventory" / os.environ.get("CLOUD_UNDER_TEST", "lab-ha")
SETTLE_SECONDS = 3.0
UNITS = (
    *(
        "cloudd-api",
        "cloudd-worker",
        "cloudd-agent",
        "mariadb",
        "galera-member",
        "rabbitmq-server",
        "haproxy",
        "keepalived",
        "tgt",
        "virtlogd",
    ),
    *("ovs-vswitchd", "ovsdb-server", "ovn-ovsdb-server-nb", "ovn-ovsdb-server-sb", "ovn-northd", "ovn-controller", "ovn-underlay"),
)
# The hosts of a lab share one kernel, so their monotonic clocks can be compared.
SHOW = (
    "systemctl show --property=Id,MainPID,ActiveEnterTimestampMonotonic,ActiveExitTimestampMonotonic,StateChangeTimestampMonotonic "
    + " ".join(f"{unit}.service" for unit in UNITS)
)
RELOADED = ("haproxy", "keepalived")
#: A unit that does not start.
SPOIL = (
    "mkdir -p /etc/systemd/system/{unit}.service.d && printf '[Service]\\nExecStartPre=/bin/false\\n' "
    "> /etc/systemd/system/{unit}.service.d/spoilt.conf && systemctl daemon-reload && echo spoilt"
)
MEND = "rm -f /etc/systemd/system/*.service.d/spoilt.conf && systemctl daemon-reload && echo mended"

#: By (host, unit): microseconds since boot at which it last left the active state, entered it, and changed its state at all.
Moments = dict[tuple[str, str], tuple[int, int, int]]


class Cloud:
    """The lab's cloud, its inventory in a copy whose options can be changed, and what its units did."""

    def __init__(self, directory: Path) -> None:
        # By its name: what lies beside the hosts' file, passwords and authority too, is the cloud's own.
        self.inventory = directory / INVENTORY.name
        shutil.copytree(INVENTORY, self.inventory, ignore=shutil.ignore_patterns("passwords.yml*", "pki"))
        for name in ("passwords.yml", "pki"):
            (self.inventory / name).symlink_to(INVENTORY / name)
        self.lab = Lab(INVENTORY)
        self.trial = Trial(self.lab)
        self.control = [host.name for host in self.lab.in_group("control")]
        self.compute = [host.name for host in self.lab.in_group("compute") if "control" not in host.groups]

    def set(self, **options: Any) -> None:
        """What the operator writes over the cloud's own options; nothing takes all of it back."""
        (self.inventory / "group_vars" / "all" / "zz_changed.yml").write_text("---\n" + yaml.safe_dump(options))

    def run(self, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(ROOT / "cloudctl"), verb, "-i", str(self.inventory), *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    def must(self, verb: str, *words: str) -> str:
        done = self.run(verb, *words)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1500:]
        return done.stdout

    def on(self, host: Host, command: str) -> str:
        return asyncio.run(self.lab.on(host, command, timeout_seconds=60)).strip()

    def moments(self) -> Moments:
        found: Moments = {}
        for name, host in self.lab.hosts.items():
            blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in self.on(host, SHOW).split("\n\n")]
            for block in blocks:
                left, entered, changed = (
                    int(block[f"{moment}TimestampMonotonic"] or 0) for moment in ("ActiveExit", "ActiveEnter", "StateChange")
                )
                found[name, block["Id"].removesuffix(".service")] = (left, entered, changed)
        return found

    def under_load(self, work: Callable[[], str]) -> str:
        """Do something while clients read and write; no request may fail and no acknowledged write be lost."""
        return asyncio.run(self._under_load(lambda: asyncio.to_thread(work)))

    async def _under_load(self, work: Callable[[], Awaitable[str]]) -> str:
        await self.trial.api.log_in()
        load = Load(self.trial.api)
        await load.lift_quota()
        running = asyncio.create_task(load.run())
        try:
            await asyncio.sleep(SETTLE_SECONDS)
            said = await work()
            await asyncio.sleep(SETTLE_SECONDS)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        lost = await load.lost()
        print(f"{len(load.samples)} requests, {len(failed(load.samples))} failed; {len(load.promised)} writes, {len(lost)} lost")
        assert not failed(load.samples), [(sample.path, sample.error) for sample in failed(load.samples)[:10]]
        assert not lost
        return said


def restarted(before: Moments, after: Moments) -> set[tuple[str, str]]:
    """The units (host, unit) that were started in between."""
    return {key for key, (_, entered, _) in after.items() if entered != before[key][1]}


def reloaded(before: Moments, after: Moments) -> set[tuple[str, str]]:
    """Those that went on and did something: of the ones that can be reloaded, this is it."""
    return {key for key in after if key[1] in RELOADED and after[key][1] == before[key][1] and after[key][2] != before[key][2]}


def assert_one_at_a_time(after: Moments, keys: set[tuple[str, str]]) -> None:
    """Of no unit two were down together."""
    for unit in {unit for _, unit in keys}:
        gaps = sorted(after[key][:2] for key in keys if key[1] == unit)
        for (_, back), (gone, _) in itertools.pairwise(gaps):
            assert back <= gone, f"{unit}: {gaps}"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The cloud on this repository's version and options, before and after."""
    found = Cloud(tmp_path_factory.mktemp("inventory"))
    found.must("deploy")
    yield found
    for host in found.lab.hosts.values():
        assert found.on(host, MEND) == "mended"
    found.set()
    found.must("reconfigure")


def test_a_changed_option_reaches_just_its_readers_under_load(cloud: Cloud) -> None:
    cloudd = {(host, "cloudd-api") for host in cloud.control} | {(host, "cloudd-agent") for host in cloud.compute}
    database, balancer = {(host, "mariadb") for host in cloud.control}, {(host, "haproxy") for host in cloud.control}

    before = cloud.moments()
    cloud.set(cloudd_api_drain_seconds=5, cloudd_settings_extra={"compute": {"heartbeat_seconds": 4}})
    said = cloud.under_load(lambda: cloud.must("reconfigure"))
    after = cloud.moments()
    assert restarted(before, after) == cloudd
    assert not reloaded(before, after)
    assert_one_at_a_time(after, cloudd)
    # The operator is told.
    told = {line.split()[1]: set(line.split()[2:]) for line in said.splitlines() if line.startswith("  restart ")}
    assert told == {"cloudd-api.service": set(cloud.control), "cloudd-agent.service": set(cloud.compute)}

    before = after
    cloud.set(
        cloudd_api_drain_seconds=5, cloudd_settings_extra={"compute": {"heartbeat_seconds": 4}},
        mariadb_max_connections=601, haproxy_max_connections=4001,
    )  # fmt: skip
    cloud.under_load(lambda: cloud.must("reconfigure"))
    after = cloud.moments()
    assert restarted(before, after) == database
    assert reloaded(before, after) == balancer
    assert_one_at_a_time(after, database)

    before = after
    cloud.set()
    cloud.under_load(lambda: cloud.must("reconfigure"))
    after = cloud.moments()
    assert restarted(before, after) == cloudd | database
    assert reloaded(before, after) == balancer
    assert_one_at_a_time(after, cloudd | database)

    assert "changed=0" in cloud.must("reconfigure")
    assert cloud.moments() == after


def test_an_option_that_cloudd_does_not_know_touches_nothing(cloud: Cloud) -> None:
    before = cloud.moments()
    cloud.set(cloudd_settings_extra={"log": {"levle": "debug"}})
    done = cloud.run("reconfigure")
    assert done.returncode != 0
    assert "cloudd.settings_refused" in done.stdout
    assert "did you mean 'level'" in done.stdout
    assert not restarted(before, cloud.moments())
    cloud.set()
    assert "changed=0" in cloud.must("reconfigure")


@pytest.mark.parametrize(
    ("unit", "group", "options"),
    [
        ("cloudd-agent", "compute", {"cloudd_settings_extra": {"compute": {"heartbeat_seconds": 4}}}),
        # The other load balancers could do without the first one: nothing but its failure holds them back.
        ("haproxy", "control", {"haproxy_max_connections": 4002}),
    ],
    ids=["cloudd-agent", "haproxy"],
)
def test_it_stops_at_the_first_host_that_is_not_well_and_goes_on_when_mended(
    cloud: Cloud, unit: str, group: str, options: dict[str, Any]
) -> None:
    names = sorted(getattr(cloud, group))
    first, others = cloud.lab.hosts[names[0]], {(name, unit) for name in names[1:]}
    before = cloud.moments()
    assert cloud.on(first, SPOIL.format(unit=unit)) == "spoilt"
    cloud.set(**options)
    done = cloud.run("reconfigure", "-e", "cloudd_verify_timeout_seconds=20")
    assert done.returncode != 0
    assert first.name in done.stdout
    after = cloud.moments()
    assert not (restarted(before, after) | reloaded(before, after)) & others

    assert cloud.on(first, MEND) == "mended"
    cloud.must("reconfigure")
    healed = cloud.moments()
    assert restarted(after, healed) | reloaded(after, healed) == {(name, unit) for name in names}
    assert_one_at_a_time(healed, restarted(after, healed) & others)
    cloud.set()
    cloud.must("reconfigure")
