"""What every compute driver promises, tried on the fake, on libvirt's own mock hypervisor, and on the one that LIBVIRT_URI names.

tests/real/test_compute_contract.py runs it on a cloud's host with qemu:///system.
"""

import os
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from cloudd.compute.drivers.base import (
    ComputeDriver,
    DiskSpec,
    DomainNotFoundError,
    DomainState,
    DriverError,
    ImageSource,
    InterfaceSpec,
    PowerState,
    RebootKind,
    ServerSpec,
)
from cloudd.compute.drivers.fake import FakeDriver

libvirt = pytest.importorskip("libvirt")
HYPERVISOR = os.environ.get("LIBVIRT_URI")


def make_driver(kind: str, directory: Path) -> ComputeDriver:
    if kind == "fake":
        return FakeDriver()
    from cloudd.compute.drivers.libvirt.driver import LibvirtDriver

    return LibvirtDriver("test:///default" if kind == "mock" else str(HYPERVISOR), str(directory))


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that QEMU's user can enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(params=["fake", "mock", *(["hypervisor"] if HYPERVISOR else [])])
async def driver(
    request: pytest.FixtureRequest, directory: Path, spec: ServerSpec, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ComputeDriver]:
    made = make_driver(request.param, directory / "instances")
    await made.start()
    every_domain = made.domains

    async def domains() -> list[DomainState]:
        # A cloud's own servers come and go beside: they are none of the test's.
        return [domain for domain in await every_domain() if domain.server_id == spec.server_id]

    monkeypatch.setattr(made, "domains", domains)
    yield made
    for domain in await domains():
        await made.destroy(domain.server_id)
    await made.close()


@pytest.fixture
def spec(directory: Path) -> ServerSpec:
    image = directory / "image.raw"
    image.write_bytes(b"\0" * (1 << 20))
    source = ImageSource("11111111-0000-0000-0000-000000000000", str(image), "raw", 1 << 20)
    server_id = str(uuid.uuid4())
    return ServerSpec(
        server_id=server_id,
        name="first",
        project_id="p1",
        vcpus=1,
        memory_mib=64,
        disks=[DiskSpec(device="vda", name="root", size_gib=1, image=source, boot_index=0)],
        interfaces=[InterfaceSpec(port_id=str(uuid.uuid4()), mac_address="fa:16:3e:00:00:01", bridge="")],
        config_drive={"openstack/latest/meta_data.json": b"{}"},
    )


async def power_state(driver: ComputeDriver, server_id: str) -> PowerState | None:
    return {domain.server_id: domain.power_state for domain in await driver.domains()}.get(server_id)


async def test_build_runs_and_may_be_repeated(driver: ComputeDriver, spec: ServerSpec) -> None:
    await driver.build(spec)
    await driver.build(spec)
    assert await power_state(driver, spec.server_id) is PowerState.RUNNING
    (domain,) = await driver.domains()
    assert (domain.vcpus, domain.memory_mib) == (1, 64)


async def test_build_can_leave_it_off(driver: ComputeDriver, spec: ServerSpec) -> None:
    await driver.build(spec, power_on=False)
    assert await power_state(driver, spec.server_id) is PowerState.SHUTOFF


async def test_destroy_of_whole_and_of_nothing(driver: ComputeDriver, spec: ServerSpec) -> None:
    await driver.destroy(spec.server_id)
    await driver.build(spec)
    await driver.destroy(spec.server_id)
    await driver.destroy(spec.server_id)
    assert await driver.domains() == []


async def test_power_off_and_on(driver: ComputeDriver, spec: ServerSpec) -> None:
    await driver.build(spec)
    for _ in range(2):
        await driver.power_off(spec.server_id, timeout_seconds=0)
        assert await power_state(driver, spec.server_id) is PowerState.SHUTOFF
    for _ in range(2):
        await driver.power_on(spec.server_id)
        assert await power_state(driver, spec.server_id) is PowerState.RUNNING


@pytest.mark.parametrize("kind", list(RebootKind))
async def test_reboot_ends_running(driver: ComputeDriver, spec: ServerSpec, kind: RebootKind) -> None:
    await driver.build(spec)
    await driver.reboot(spec, kind, timeout_seconds=0.5)
    assert await power_state(driver, spec.server_id) is PowerState.RUNNING


async def test_pause_suspend_and_back(driver: ComputeDriver, spec: ServerSpec) -> None:
    await driver.build(spec)
    for act, back, between in ((driver.pause, driver.unpause, PowerState.PAUSED), (driver.suspend, driver.resume, PowerState.SUSPENDED)):
        await act(spec.server_id)
        await act(spec.server_id)
        assert await power_state(driver, spec.server_id) is between
        await back(spec.server_id)
        await back(spec.server_id)
        assert await power_state(driver, spec.server_id) is PowerState.RUNNING


async def test_acts_on_an_absent_server_say_so(driver: ComputeDriver) -> None:
    absent = str(uuid.uuid4())
    for act in (driver.power_on, driver.power_off, driver.pause, driver.console_output, driver.diagnostics):
        with pytest.raises(DomainNotFoundError):
            await act(absent)
    await driver.detach_disk(absent, str(uuid.uuid4()))
    await driver.detach_interface(absent, str(uuid.uuid4()), "fa:16:3e:00:00:02")


async def test_lost_disks_are_not_made_afresh(driver: ComputeDriver, spec: ServerSpec) -> None:
    with pytest.raises(DriverError) as error:
        await driver.build(msgspec.structs.replace(spec, disks_must_exist=True))
    assert error.value.code == "root_disk_missing"


async def test_attach_and_detach_of_a_stopped_server_may_be_repeated(driver: ComputeDriver, spec: ServerSpec, directory: Path) -> None:
    await driver.build(spec, power_on=False)
    path = directory / "volume"
    path.write_bytes(b"\0" * (1 << 20))
    volume_id = str(uuid.uuid4())
    disk = DiskSpec(device="vdb", volume_id=volume_id, connection={"driver": "file", "path": str(path), "format": "raw"})
    port = InterfaceSpec(port_id=str(uuid.uuid4()), mac_address="fa:16:3e:00:00:02", bridge="")
    for _ in range(2):
        try:
            await driver.attach_disk(spec.server_id, disk)
        except DriverError as error:
            if error.code == f"libvirt_{libvirt.VIR_ERR_NO_SUPPORT}":
                pytest.skip("libvirt's mock hypervisor cannot plug devices")
            raise
        await driver.attach_interface(spec.server_id, port)
    for _ in range(2):
        await driver.detach_disk(spec.server_id, volume_id)
        await driver.detach_interface(spec.server_id, port.port_id, port.mac_address)
    await driver.power_on(spec.server_id)
    assert await power_state(driver, spec.server_id) is PowerState.RUNNING


async def test_extend_is_fine_with_servers_and_volumes_that_are_not_there(driver: ComputeDriver, spec: ServerSpec) -> None:
    await driver.extend_disk(spec.server_id, str(uuid.uuid4()), 2)
    await driver.build(spec)
    await driver.extend_disk(spec.server_id, str(uuid.uuid4()), 2)


async def test_extend_of_a_running_server_may_be_repeated(driver: ComputeDriver, spec: ServerSpec, directory: Path) -> None:
    path, volume_id = directory / "volume", str(uuid.uuid4())
    path.write_bytes(b"")
    os.truncate(path, 1 << 30)
    connection = {"driver": "file", "path": str(path), "format": "raw"}
    disk = DiskSpec(device="vdb", volume_id=volume_id, connection=connection, size_gib=1)
    await driver.build(msgspec.structs.replace(spec, disks=[*spec.disks, disk]))
    os.truncate(path, 2 << 30)
    for _ in range(2):
        try:
            await driver.extend_disk(spec.server_id, volume_id, 2)
        except DriverError as error:
            if error.code == f"libvirt_{libvirt.VIR_ERR_NO_SUPPORT}":
                pytest.skip("libvirt's mock hypervisor cannot resize devices")
            raise


async def test_resize_then_revert_then_confirm(driver: ComputeDriver, spec: ServerSpec) -> None:
    await driver.build(spec)
    larger = msgspec.structs.replace(spec, memory_mib=128, vcpus=2)
    await driver.resize(larger)
    await driver.resize(larger)
    (domain,) = await driver.domains()
    assert (domain.vcpus, domain.memory_mib, domain.power_state) == (2, 128, PowerState.RUNNING)
    await driver.revert_resize(spec)
    (domain,) = await driver.domains()
    assert (domain.vcpus, domain.memory_mib) == (1, 64)
    await driver.resize(larger)
    await driver.confirm_resize(spec.server_id)
    await driver.confirm_resize(spec.server_id)
    (domain,) = await driver.domains()
    assert domain.memory_mib == 128


async def test_snapshot_stands_alone(driver: ComputeDriver, spec: ServerSpec, directory: Path) -> None:
    await driver.build(spec, power_on=False)
    path = directory / "snapshot.qcow2"
    await driver.snapshot_root(spec.server_id, str(path))
    about = msgspec.json.decode(subprocess.check_output(["qemu-img", "info", "--output=json", str(path)]))  # noqa: ASYNC221
    assert about["format"] == "qcow2"
    assert about["virtual-size"] == 1 << 30
    assert "backing-filename" not in about


async def test_capacity_is_plausible(driver: ComputeDriver) -> None:
    capacity = await driver.capacity()
    assert capacity.vcpus > 0
    assert capacity.memory_mib > 64
    assert capacity.free_disk_gib <= capacity.disk_gib
    assert capacity.boot_id


async def test_console_of_a_server_that_never_ran_is_empty(driver: ComputeDriver, spec: ServerSpec) -> None:
    await driver.build(spec, power_on=False)
    assert await driver.console_output(spec.server_id) == ""


async def test_diagnostics_of_a_running_server(driver: ComputeDriver, spec: ServerSpec) -> None:
    await driver.build(spec, power_on=False)
    with pytest.raises(DriverError) as error:
        await driver.diagnostics(spec.server_id)
    assert error.value.code == "not_running"
    await driver.power_on(spec.server_id)
    found = await driver.diagnostics(spec.server_id)
    assert len(found.cpu_nanoseconds) == 1
    assert (found.memory_maximum_mib, found.memory_used_mib) == (64, 64)
    assert {disk.device for disk in found.disks} >= {"vda"}
    assert [nic.mac_address for nic in found.nics] == ["fa:16:3e:00:00:01"]
