"""What a pair of hosts must be able to do together, whatever their driver: carry a server's disks over."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from cloudd.compute.drivers.base import ComputeDriver, DriverError, MigrationPhase, PowerState, ServerSpec
from cloudd.compute.drivers.fake import FakeDriver
from tests.contract.compute.test_driver import HYPERVISOR, directory, make_driver, power_state, spec

__all__ = ["directory", "spec"]

Pair = tuple[ComputeDriver, ComputeDriver]


@pytest.fixture(params=["fake", "mock", *(["hypervisor"] if HYPERVISOR else [])])
async def pair(request: pytest.FixtureRequest, directory: Path, spec: ServerSpec) -> AsyncIterator[Pair]:
    """Two hosts. Those of one libvirt share its domains and differ in their files, which is enough to carry a server's disks."""
    if request.param == "fake":
        source = FakeDriver(address="10.0.0.1")
        made: Pair = (source, FakeDriver(address="10.0.0.2", rack=source.rack))
    else:
        if shutil.which("qemu-storage-daemon") is None:
            pytest.skip("qemu-storage-daemon is not installed")
        made = (make_driver(request.param, directory / "one"), make_driver(request.param, directory / "two"))
    for driver in made:
        await driver.start()
    yield made
    for driver in made:
        # A cloud's own servers beside are none of the test's.
        await driver.destroy(spec.server_id)
        await driver.close()


async def test_disks_are_carried_and_the_server_starts_there(pair: Pair, spec: ServerSpec, directory: Path) -> None:
    source, target = pair
    await source.build(spec, power_on=False)
    root = directory / "one" / spec.server_id / "root.qcow2"
    if root.exists():
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 3M 64k", str(root)], check=True, capture_output=True)  # noqa: ASYNC221
    await source.destroy(spec.server_id, keep_disks=True)
    assert spec.server_id in await source.holdings()
    for _ in range(2):
        offer = await source.offer_disks(spec.server_id)
        await target.receive_disks(spec, offer, copy=True)
    for _ in range(2):
        await source.withdraw_disks(spec.server_id)
    if root.exists():
        there = directory / "two" / spec.server_id / "root.qcow2"
        read = ["qemu-io", "-r", "-f", "qcow2", "-c", "read -P 0x5a 3M 64k", str(there)]
        said = subprocess.run(read, check=True, capture_output=True, text=True).stdout  # noqa: ASYNC221
        assert "Pattern verification failed" not in said
        assert there.stat().st_size == root.stat().st_size
        assert (there.parent / "config_drive.iso").read_bytes() == (root.parent / "config_drive.iso").read_bytes()
    await source.destroy(spec.server_id)
    assert spec.server_id not in await source.holdings()
    await target.build(msgspec.structs.replace(spec, disks_must_exist=True))
    assert await power_state(target, spec.server_id) is PowerState.RUNNING


async def test_a_larger_root_is_grown_on_arrival(pair: Pair, spec: ServerSpec, directory: Path) -> None:
    source, target = pair
    await source.build(spec, power_on=False)
    await source.destroy(spec.server_id, keep_disks=True)
    larger = msgspec.structs.replace(spec, disks=[msgspec.structs.replace(spec.disks[0], size_gib=2)])
    await target.receive_disks(larger, await source.offer_disks(spec.server_id), copy=True)
    there = directory / "two" / spec.server_id / "root.qcow2"
    if not isinstance(target, FakeDriver):
        about = msgspec.json.decode(subprocess.check_output(["qemu-img", "info", "--output=json", str(there)]))  # noqa: ASYNC221
        assert about["virtual-size"] == 2 << 30
        assert about["full-backing-filename"].startswith(str(directory / "two" / "_base"))


async def test_disks_for_a_live_migration_are_as_large_and_empty(pair: Pair, spec: ServerSpec, directory: Path) -> None:
    source, target = pair
    await source.build(spec, power_on=False)
    await source.destroy(spec.server_id, keep_disks=True)
    await target.receive_disks(spec, await source.offer_disks(spec.server_id), copy=False)
    assert spec.server_id in await target.holdings()
    there = directory / "two" / spec.server_id
    if not isinstance(target, FakeDriver):
        about = msgspec.json.decode(subprocess.check_output(["qemu-img", "info", "--output=json", str(there / "root.qcow2")]))  # noqa: ASYNC221
        assert about["virtual-size"] == 1 << 30
        assert (there / "config_drive.iso").exists()


async def test_what_is_not_offered_does_not_come(pair: Pair, spec: ServerSpec) -> None:
    source, target = pair
    await source.build(spec, power_on=False)
    await source.destroy(spec.server_id, keep_disks=True)
    offer = await source.offer_disks(spec.server_id)
    await source.withdraw_disks(spec.server_id)
    with pytest.raises(DriverError) as error:
        await target.receive_disks(spec, offer, copy=True)
    assert error.value.retryable
    await target.destroy(spec.server_id)


async def test_progress_without_a_migration(pair: Pair, spec: ServerSpec) -> None:
    source, _ = pair
    assert (await source.migration_progress(spec.server_id)).phase is MigrationPhase.MOVED
    await source.build(spec)
    assert (await source.migration_progress(spec.server_id)).phase is MigrationPhase.NONE
    await source.abort_migration(spec.server_id)
    assert await power_state(source, spec.server_id) is PowerState.RUNNING
