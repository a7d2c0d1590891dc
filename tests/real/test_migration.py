"""A server moves between two hosts: what its user notices of it, what operators see, and what stays behind."""

from __future__ import annotations

import itertools
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openstack.exceptions import BadRequestException

from tests.real.conftest import PREFIX, sweep
from tests.real.quickstart import Quickstart
from tests.real.reachable import Reachable

pytestmark = [pytest.mark.real, pytest.mark.several_hosts, pytest.mark.timeout(300), pytest.mark.usefixtures("leak_check")]

_PING_SECONDS = 0.05
# An emulated guest stands still while its memory travels; with KVM it is some tenths of a second.
_MOST_PAUSE_SECONDS = 10.0
# So slow that a guest's memory is on its way for many seconds.
_SLOW_MIB_PER_SECOND = 2


@pytest.fixture(scope="module")
def wanderer(quickstart: Quickstart, guest_key: Path, leak_check: None) -> Iterator[Reachable]:
    """The server, its guest up; removed at the end."""
    if len(list(quickstart.connection.compute.hypervisors())) < 2:
        pytest.skip("the cloud under test has one compute host")
    try:
        yield Reachable(quickstart, guest_key, PREFIX + "wanderer").wait()
    finally:
        sweep(quickstart)


class Ping:
    """A ping of the guest while something is done to it: packets sent and lost, the longest time without an answer."""

    def __init__(self, address: str) -> None:
        self._process = subprocess.Popen(["ping", "-D", "-O", "-i", str(_PING_SECONDS), address], stdout=subprocess.PIPE, text=True)
        time.sleep(1)
        self._started = time.monotonic()

    def end(self) -> str:
        """Stop; what it cost, in words."""
        seconds = time.monotonic() - self._started
        time.sleep(1)
        self._process.send_signal(2)
        said, _ = self._process.communicate(timeout=10)
        moments = [float(moment) for moment in re.findall(r"^\[([\d.]+)\] \d+ bytes from", said, re.MULTILINE)]
        counts = re.search(r"(\d+) packets transmitted, (\d+) received", said)
        assert counts is not None, said
        self.pause_seconds = max(later - earlier for earlier, later in itertools.pairwise(moments))
        self.lost = int(counts[1]) - int(counts[2])
        lost = f"{self.lost} of {counts[1]} packets lost ({_PING_SECONDS:g} s apart)"
        return f"{seconds:.1f} s, pause {self.pause_seconds * 1000:.0f} ms, {lost}"


def migrations(wanderer: Reachable, **wanted: str) -> list[Any]:
    """The cloud's list, newest first, of this server."""
    return list(wanderer.cloud.connection.compute.migrations(server_id=wanderer.id, **wanted))


def under_ping(wanderer: Reachable, record_property: Any, name: str, move: Callable[[], Any]) -> Ping:
    ping = Ping(wanderer.guest.address)
    move()
    said = ping.end()
    print(f"{name}: {said}")
    record_property(name, said)
    return ping


def test_live_migration_with_its_disk_under_ping(wanderer: Reachable, record_property: Any) -> None:
    """The guest goes on: same boot, same memory, same disk, a short pause."""
    guest, source, boot = wanderer.guest, wanderer.host, wanderer.boot()
    guest.run("echo memory >/tmp/kept; echo disk >/root/kept; sync")

    def move() -> None:
        wanderer.cloud.connection.compute.live_migrate_server(wanderer.id, block_migration=True)
        wanderer.settled("ACTIVE")

    ping = under_ping(wanderer, record_property, "live migration", move)
    destination = wanderer.host
    assert destination != source
    assert ping.pause_seconds < _MOST_PAUSE_SECONDS
    assert guest.run("cat /tmp/kept /root/kept") == "memory\ndisk"
    assert wanderer.boot() == boot
    assert wanderer.traces() == [destination]
    migration = migrations(wanderer)[0]
    assert (migration.status, migration.migration_type) == ("completed", "live-migration")
    assert (migration.source_compute, migration.dest_compute) == (source, destination)


def test_without_copying_a_local_disk_it_is_refused(wanderer: Reachable) -> None:
    with pytest.raises(BadRequestException, match="not on shared storage"):
        wanderer.cloud.connection.compute.live_migrate_server(wanderer.id, block_migration=False)


def test_live_migration_called_off(wanderer: Reachable, record_property: Any) -> None:
    """The guest goes on where it was, and the other host has nothing of it."""
    compute, source, boot = wanderer.cloud.connection.compute, wanderer.host, wanderer.boot()
    speed = f"virsh migrate-setspeed instance-{wanderer.id}"
    wanderer.cloud.at(wanderer.cloud.hosts[source], f"{speed} {_SLOW_MIB_PER_SECOND}")

    def move_and_abort() -> None:
        compute.live_migrate_server(wanderer.id, block_migration="auto")
        # The disk is there and the memory on its way.
        (under_way,) = until(lambda: [one for one in compute.server_migrations(wanderer.id) if one.memory_processed_bytes])
        (listed,) = migrations(wanderer, status="running")
        assert (listed.id, wanderer.show().status) == (under_way.id, "MIGRATING")
        compute.abort_server_migration(under_way.id, wanderer.id)
        wanderer.settled("ACTIVE")

    under_ping(wanderer, record_property, "live migration called off", move_and_abort)
    wanderer.cloud.at(wanderer.cloud.hosts[source], f"{speed} {1 << 20}")
    assert (wanderer.host, wanderer.boot()) == (source, boot)
    assert wanderer.traces() == [source]
    assert migrations(wanderer)[0].status == "cancelled"
    assert list(compute.server_migrations(wanderer.id)) == []


def test_cold_migration_keeps_the_disk(wanderer: Reachable, record_property: Any) -> None:
    compute, guest, source, boot = wanderer.cloud.connection.compute, wanderer.guest, wanderer.host, wanderer.boot()
    guest.run("echo cold >/root/kept; sync")

    def move() -> None:
        compute.migrate_server(wanderer.id)
        wanderer.settled("VERIFY_RESIZE")
        guest.wait()

    under_ping(wanderer, record_property, "cold migration", move)
    destination = wanderer.host
    assert destination != source
    # Until the user has decided, the disks are also where they were, and nothing that could start there.
    assert sorted(wanderer.traces()) == sorted([source, destination])
    domains = wanderer.cloud.on_hosts("virsh list --all --uuid 2>/dev/null; true")
    assert [host for host, said in domains.items() if wanderer.id in said] == [destination]
    compute.confirm_server_resize(wanderer.id)
    wanderer.settled("ACTIVE")
    assert guest.run("cat /root/kept") == "cold"
    assert wanderer.boot() != boot
    assert wanderer.traces() == [destination]
    migration = migrations(wanderer)[0]
    assert (migration.status, migration.migration_type) == ("confirmed", "migration")


def test_cold_migration_taken_back(wanderer: Reachable) -> None:
    compute, source = wanderer.cloud.connection.compute, wanderer.host
    compute.migrate_server(wanderer.id)
    wanderer.settled("VERIFY_RESIZE")
    compute.revert_server_resize(wanderer.id)
    assert wanderer.settled("ACTIVE").compute_host == source
    assert wanderer.guest.wait().run("cat /root/kept") == "cold"
    assert wanderer.traces() == [source]
    assert migrations(wanderer)[0].status == "reverted"


def until(look: Callable[[], list[Any]], timeout_seconds: float = 60) -> list[Any]:
    """What look() finds, once it finds anything."""
    deadline = time.monotonic() + timeout_seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing found within {timeout_seconds:g} s"
        time.sleep(0.1)
    return found
