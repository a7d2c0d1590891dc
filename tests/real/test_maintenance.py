"""Operators' work on compute hosts with guests that run: drain one, bring it back, move single instances, lose it and evacuate it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.lab import Lab
from tests.real.conftest import PREFIX, sweep
from tests.real.quickstart import CLOUD, INVENTORY, ROOT, Quickstart
from tests.real.reachable import Reachable

pytestmark = [pytest.mark.real, pytest.mark.several_hosts, pytest.mark.timeout(400), pytest.mark.usefixtures("steps")]

PLAY = Path(__file__).parent / "plays" / "cloud_moves.yml"
VOLUME, ROOT_VOLUME = PREFIX + "data", PREFIX + "root"
# How often any guest was started on a host since the host was made; the files outlive the guests.
STARTS = "cat /var/log/libvirt/qemu/instance-*.log | grep -c 'starting up libvirt' || true"
_RETURN_SECONDS = 120


class Guests:
    """Two servers on one host: `local` has its root disk there and a volume for its data, `kept` boots from a volume."""

    def __init__(self, cloud: Quickstart, key: Path) -> None:
        self.cloud, self.key, self.lab = cloud, key, Lab(INVENTORY)
        self.one, self.other = sorted(hypervisor.name for hypervisor in cloud.connection.compute.hypervisors())
        self.starts_before = 0

    def prepare(self) -> None:
        """Make the two, up, with their data, and both hosts in service."""
        cloud, key = self.cloud, self.key
        storage: Any = cloud.connection.block_storage
        image = cloud.connection.image.find_image("tiny").id
        self.volume = storage.create_volume(name=VOLUME, size=1)
        root = storage.create_volume(name=ROOT_VOLUME, size=1, image_id=image)
        for volume in (self.volume, root):
            storage.wait_for_status(volume, "available", failures=["error"], interval=1, wait=120)
        # What is disabled gets nothing: both come to the first host.
        self.host_becomes(self.other, "disabled", reason="not here")
        mapping = {"boot_index": 0, "uuid": root.id, "source_type": "volume", "destination_type": "volume"}
        self.local = Reachable(cloud, key, PREFIX + "local")
        self.kept = Reachable(cloud, key, PREFIX + "kept", block_device_mapping=[mapping])
        self.both = (self.local, self.kept)
        for server in self.both:
            server.wait()
        self.host_becomes(self.other, "enabled")
        cloud.connection.compute.create_volume_attachment(self.local.id, volume_id=self.volume.id)
        device = self.local.guest.disk_of(self.volume.id)
        self.local.guest.run(f"mkfs.vfat {device} >/dev/null && mkdir -p /mnt/data && mount -t vfat {device} /mnt/data")
        self.local.guest.run("echo data >/mnt/data/kept; sync")
        for server in self.both:
            server.guest.run("echo root >/root/kept; sync")

    def make_whole(self) -> None:
        """Whatever failed: both hosts have power and are in service."""
        for host in (self.one, self.other):
            if not asyncio.run(self.lab.on(self.lab.hosts[host], "echo up")):
                asyncio.run(self.lab.power_on(self.lab.hosts[host]))
            service = self.service(host)
            if service.status != "enabled" or service.is_forced_down:
                self.operate("enable_host", host, repeats=False)

    def service(self, host: str) -> Any:
        """The host as the API shows it."""
        (found,) = [one for one in self.cloud.connection.compute.services(host=host) if one.binary == "nova-compute"]
        return found

    def starts(self, host: str) -> int:
        return int(self.cloud.at(self.cloud.hosts[host], STARTS))

    def hosts(self) -> list[str]:
        """Where both are, as the API says."""
        return [server.host for server in self.both]

    def host_becomes(self, host: str, state: str, **options: str) -> None:
        """By the module: the first time something changes, the second time nothing."""
        self._twice("host", host=host, state=state, **options)

    def instance_becomes(self, server: Reachable, state: str, away_from: str) -> None:
        """By the module, twice as well."""
        self._twice("instance", instance=server.name, state=state, away_from=away_from)

    def _twice(self, tag: str, **variables: str) -> None:
        words = [word for name, value in {"cloud": CLOUD, **variables}.items() for word in ("-e", f"{name}='{value}'")]
        for changed in (True, False):
            done = self.cloud.playbook(PLAY, "--tags", tag, *words)
            assert [task["changed"] for task in done] == [changed], (variables, done)

    def operate(self, verb: str, host: str, *options: str, repeats: bool = True) -> float:
        """Run an operator's playbook on a host, and again if it then changes nothing; the first run's seconds."""
        words = ["-i", str(INVENTORY), "-e", f"compute_host={host}", *options]
        started = time.monotonic()
        self.cloud.playbook(ROOT / "playbooks" / f"{verb}.yml", *words)
        seconds = time.monotonic() - started
        if repeats:
            again = self.cloud.playbook(ROOT / "playbooks" / f"{verb}.yml", *words)
            assert not any(task["changed"] for task in again), again
        return seconds


@pytest.fixture(scope="module")
def guests(quickstart: Quickstart, guest_key: Path, leak_check: None) -> Iterator[Guests]:
    """The two, up, on the first compute host; removed at the end."""
    if len(list(quickstart.connection.compute.hypervisors())) != 2:
        pytest.skip("the cloud under test does not have two compute hosts")
    made = Guests(quickstart, guest_key)
    try:
        made.prepare()
        yield made
    finally:
        made.make_whole()
        sweep(quickstart)


def test_drain_moves_guests_while_they_run(guests: Guests, record_property: Any) -> None:
    boots = [server.boot() for server in guests.both]
    seconds = guests.operate("drain_host", guests.one, "-e", "reason='new memory'")
    print(f"drain_host with 2 guests: {seconds:.1f} s")
    record_property("drain_host_seconds", seconds)
    assert guests.hosts() == [guests.other, guests.other]
    assert [server.boot() for server in guests.both] == boots
    assert [server.traces() for server in guests.both] == [[guests.other], [guests.other]]
    assert guests.local.guest.run("cat /root/kept /mnt/data/kept") == "root\ndata"
    # Mounted anew it shows what the volume has, not what the guest remembers.
    device = guests.local.guest.disk_of(guests.volume.id)
    remount = f"echo moved >/mnt/data/moved && umount /mnt/data && mount -t vfat {device} /mnt/data"
    assert guests.local.guest.run(f"{remount} && cat /mnt/data/kept /mnt/data/moved") == "data\nmoved"
    service = guests.service(guests.one)
    assert (service.status, service.disabled_reason) == ("disabled", "new memory")


def test_enabled_again_it_takes_single_instances(guests: Guests) -> None:
    guests.operate("enable_host", guests.one)
    assert guests.service(guests.one).status == "enabled"
    boots = [server.boot() for server in guests.both]
    guests.instance_becomes(guests.local, "live_migrated", away_from=guests.other)
    guests.instance_becomes(guests.kept, "migrated", away_from=guests.other)
    assert guests.hosts() == [guests.one, guests.one]
    assert guests.local.boot() == boots[0]
    assert guests.kept.guest.wait().run("cat /root/kept") == "root"
    assert guests.kept.boot() != boots[1]


def test_a_living_host_is_not_evacuated(guests: Guests) -> None:
    with pytest.raises(AssertionError, match="Switch the host off first"):
        guests.operate("evacuate_host", guests.one)
    with pytest.raises(AssertionError, match="in use"):
        guests.instance_becomes(guests.kept, "evacuated", away_from=guests.one)
    assert guests.hosts() == [guests.one, guests.one]


def test_guests_of_a_dead_host_run_elsewhere(guests: Guests, record_property: Any) -> None:
    addresses = [server.fixed_address for server in guests.both]
    guests.starts_before = guests.starts(guests.one)
    asyncio.run(guests.lab.power_off(guests.lab.hosts[guests.one]))
    seconds = guests.operate("evacuate_host", guests.one, "-e", "host_is_off=true")
    print(f"evacuate_host with 2 guests: {seconds:.1f} s")
    record_property("evacuate_host_seconds", seconds)
    assert guests.hosts() == [guests.other, guests.other]
    for server, address in zip(guests.both, addresses, strict=True):
        assert server.settled("ACTIVE").status == "ACTIVE"
        assert f" {address}/" in server.guest.wait().run("ip -4 -o address show")
        assert server.traces(besides=guests.one) == [guests.other]
    # What lay on the host is made anew from the image, what lay on a volume is there.
    assert guests.local.guest.attempt("cat /root/kept").returncode != 0
    device = guests.local.guest.disk_of(guests.volume.id)
    assert guests.local.guest.run(f"mkdir -p /mnt/data && mount -t vfat {device} /mnt/data && cat /mnt/data/kept") == "data"
    assert guests.kept.guest.run("cat /root/kept") == "root"


def test_back_from_the_dead_it_starts_none_of_them(guests: Guests, record_property: Any) -> None:
    """No instance runs twice: the host, whose files say that it has both, removes them before it does anything else."""
    boots = [server.boot() for server in guests.both]
    asyncio.run(guests.lab.power_on(guests.lab.hosts[guests.one]))
    started = time.monotonic()
    deadline = started + _RETURN_SECONDS
    while left := [server.name for server in guests.both if guests.one in server.traces()]:
        assert time.monotonic() < deadline, f"host {guests.one} still has something of {left}"
        time.sleep(1)
    seconds = time.monotonic() - started
    print(f"leftovers gone from the host that is back: {seconds:.1f} s after its start")
    record_property("leftovers_seconds", seconds)
    guests.operate("enable_host", guests.one)
    service = guests.service(guests.one)
    assert (service.status, service.state) == ("enabled", "up")
    assert guests.starts(guests.one) == guests.starts_before
    assert [server.boot() for server in guests.both] == boots
    assert guests.hosts() == [guests.other, guests.other]


def test_it_takes_guests_again(guests: Guests) -> None:
    guests.instance_becomes(guests.local, "live_migrated", away_from=guests.other)
    assert guests.local.host == guests.one
    assert guests.local.guest.run("cat /mnt/data/kept") == "data"
    assert [server.traces() for server in guests.both] == [[guests.one], [guests.other]]
