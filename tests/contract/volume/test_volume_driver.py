"""One contract for every volume driver: what is promised in drivers/base.py, seen from outside."""

import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from cloudd.kit.errors import Condition
from cloudd.volume.drivers.base import GIB, ImageSource, VolumeDriver
from cloudd.volume.drivers.fake import FakeDriver
from cloudd.volume.drivers.file import FileDriver

CONTENT = b"the content of a disk " * 100


class Bench:
    """A driver, and a guest's hands: write and read a volume's bytes."""

    def __init__(self, driver: VolumeDriver, write: Callable[[str, bytes], None], read: Callable[[str, int], bytes]) -> None:
        self.driver, self.write, self.read = driver, write, read

    async def filled(self, size_gib: int = 1) -> str:
        volume_id = str(uuid4())
        await self.driver.create(volume_id, size_gib)
        self.write(volume_id, CONTENT)
        return volume_id


def file_bench(directory: Path) -> Bench:
    driver = FileDriver(directory)

    def write(volume_id: str, content: bytes) -> None:
        with driver.path_of(volume_id).open("r+b") as file:
            file.write(content)

    def read(volume_id: str, length: int) -> bytes:
        with driver.path_of(volume_id).open("rb") as file:
            return file.read(length)

    return Bench(driver, write, read)


def fake_bench(_: Path) -> Bench:
    driver = FakeDriver()

    def write(volume_id: str, content: bytes) -> None:
        driver.disks[volume_id].written[0] = content

    def read(volume_id: str, length: int) -> bytes:
        return driver.disks[volume_id].written.get(0, b"").ljust(length, b"\0")[:length]

    return Bench(driver, write, read)


@pytest.fixture(params=[file_bench, fake_bench], ids=["file", "fake"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    if request.param is file_bench and not shutil.which("qemu-img"):
        pytest.skip("needs qemu-img")
    made: Bench = request.param(tmp_path / "volumes")
    await made.driver.recover()
    return made


async def test_a_new_volume_is_empty_and_has_its_size(bench: Bench) -> None:
    volume_id = str(uuid4())
    await bench.driver.create(volume_id, 2)
    assert await bench.driver.volumes() == {volume_id: 2 * GIB}
    assert bench.read(volume_id, 4096) == bytes(4096)


async def test_create_twice_keeps_what_was_written(bench: Bench) -> None:
    volume_id = await bench.filled()
    await bench.driver.create(volume_id, 1)
    assert bench.read(volume_id, len(CONTENT)) == CONTENT


async def test_delete_twice(bench: Bench) -> None:
    volume_id = await bench.filled()
    await bench.driver.delete(volume_id)
    await bench.driver.delete(volume_id)
    assert await bench.driver.volumes() == {}


async def test_a_clone_is_a_copy_of_its_own_and_may_be_larger(bench: Bench) -> None:
    source, clone = await bench.filled(), str(uuid4())
    await bench.driver.create_from_volume(clone, 2, source)
    bench.write(source, b"changed later")
    await bench.driver.create_from_volume(clone, 2, source)
    assert bench.read(clone, len(CONTENT)) == CONTENT
    assert (await bench.driver.volumes())[clone] == 2 * GIB


async def test_a_snapshot_keeps_its_moment(bench: Bench) -> None:
    source, snapshot, restored = await bench.filled(), str(uuid4()), str(uuid4())
    await bench.driver.create_snapshot(snapshot, source)
    bench.write(source, b"changed later")
    await bench.driver.create_snapshot(snapshot, source)
    await bench.driver.delete(source)
    await bench.driver.create_from_snapshot(restored, 1, snapshot)
    assert bench.read(restored, len(CONTENT)) == CONTENT
    assert await bench.driver.snapshots() == {snapshot}
    await bench.driver.delete_snapshot(snapshot)
    await bench.driver.delete_snapshot(snapshot)
    assert await bench.driver.snapshots() == set()


async def test_revert_brings_the_content_back_and_keeps_the_new_size(bench: Bench) -> None:
    volume_id, snapshot = await bench.filled(), str(uuid4())
    await bench.driver.create_snapshot(snapshot, volume_id)
    bench.write(volume_id, bytes(len(CONTENT)))
    await bench.driver.extend(volume_id, 2)
    await bench.driver.revert_to_snapshot(volume_id, 2, snapshot)
    assert bench.read(volume_id, len(CONTENT)) == CONTENT
    assert (await bench.driver.volumes())[volume_id] == 2 * GIB


async def test_extend_grows_and_never_shrinks(bench: Bench) -> None:
    volume_id = await bench.filled()
    for size_gib in (3, 3, 2):
        await bench.driver.extend(volume_id, size_gib)
        assert (await bench.driver.volumes())[volume_id] == 3 * GIB
    assert bench.read(volume_id, len(CONTENT)) == CONTENT


async def test_a_volume_from_a_raw_image_begins_with_its_content(bench: Bench, tmp_path: Path) -> None:
    image, volume_id = tmp_path / "image", str(uuid4())
    image.write_bytes(CONTENT.ljust(1 << 20, b"\0"))
    for _ in range(2):
        await bench.driver.create_from_image(volume_id, 1, ImageSource(path=str(image), disk_format="raw"))
    assert bench.read(volume_id, len(CONTENT)) == CONTENT
    assert (await bench.driver.volumes())[volume_id] == GIB


async def test_sources_that_do_not_fit_are_refused_and_leave_nothing(bench: Bench) -> None:
    source, snapshot = await bench.filled(2), str(uuid4())
    await bench.driver.create_snapshot(snapshot, source)
    with pytest.raises(Condition) as from_volume:
        await bench.driver.create_from_volume(str(uuid4()), 1, source)
    with pytest.raises(Condition) as from_snapshot:
        await bench.driver.create_from_snapshot(str(uuid4()), 1, snapshot)
    assert from_volume.value.code == from_snapshot.value.code == "volume.driver.size_too_small"
    assert list(await bench.driver.volumes()) == [source]


async def test_missing_sources_are_named(bench: Bench) -> None:
    nowhere = str(uuid4())
    for attempt, code in (
        (bench.driver.create_from_volume("a", 1, nowhere), "volume_missing"),
        (bench.driver.create_from_snapshot("a", 1, nowhere), "snapshot_missing"),
        (bench.driver.create_snapshot("a", nowhere), "volume_missing"),
        (bench.driver.extend(nowhere, 1), "volume_missing"),
        (bench.driver.attach(nowhere, "a"), "volume_missing"),
        (bench.driver.write_image(nowhere, "/nowhere", "raw"), "volume_missing"),
    ):
        with pytest.raises(Condition) as caught:
            await attempt
        assert caught.value.code == f"volume.driver.{code}"
    assert await bench.driver.volumes() == {}


async def test_attach_and_detach_twice(bench: Bench) -> None:
    volume_id, attachment_id = await bench.filled(), str(uuid4())
    first = await bench.driver.attach(volume_id, attachment_id, read_only=True)
    assert first == await bench.driver.attach(volume_id, attachment_id, read_only=True)
    assert (first.format, first.serial, first.read_only) == ("raw", volume_id, True)
    await bench.driver.detach(volume_id, attachment_id)
    await bench.driver.detach(volume_id, attachment_id)
    assert bench.read(volume_id, len(CONTENT)) == CONTENT


async def test_an_image_written_from_a_volume_holds_its_content(bench: Bench, tmp_path: Path) -> None:
    volume_id, path = await bench.filled(), tmp_path / "uploaded"
    for _ in range(2):
        await bench.driver.write_image(volume_id, str(path), "raw")
    with path.open("rb") as file:
        assert file.read(len(CONTENT)) == CONTENT


async def test_capacity_is_told(bench: Bench) -> None:
    capacity = await bench.driver.capacity()
    assert 0 < capacity.free_bytes <= capacity.total_bytes
