"""What only the file driver promises: sparse files, crash leftovers, real image formats."""

import subprocess
from pathlib import Path

import pytest

from cloudd.kit.errors import Condition
from cloudd.volume.drivers import file as file_driver
from cloudd.volume.drivers.base import ImageSource
from cloudd.volume.drivers.file import FileDriver, settle


def qemu_img(*arguments: str | Path) -> None:
    subprocess.run(["qemu-img", *arguments], check=True)


@pytest.fixture
async def driver(tmp_path: Path) -> FileDriver:
    made = FileDriver(tmp_path)
    await made.recover()
    return made


async def test_an_empty_volume_takes_no_room(driver: FileDriver) -> None:
    await driver.create("a", 10)
    assert driver.path_of("a").stat().st_blocks == 0


async def test_a_clone_stays_sparse(driver: FileDriver) -> None:
    await driver.create("a", 1)
    await driver.create_from_volume("b", 1, "a")
    assert driver.path_of("b").stat().st_blocks * 512 < 1 << 20


async def test_recover_removes_what_a_crash_left(driver: FileDriver) -> None:
    await driver.create("whole", 1)
    (driver.directory / "half.raw.0123.partial").write_bytes(b"x")
    (driver.snapshot_directory / "half.raw.0123.partial").write_bytes(b"x")
    assert await driver.volumes() == {"whole": 1 << 30}
    await driver.recover()
    assert not list(driver.directory.rglob("*.partial"))
    assert await driver.volumes() == {"whole": 1 << 30}


def test_a_late_second_run_does_not_overwrite(tmp_path: Path) -> None:
    final, partial = tmp_path / "a.raw", tmp_path / "a.raw.1.partial"
    final.write_bytes(b"in use by now")
    partial.write_bytes(b"fresh copy")
    settle(partial, final, None, replace=False)
    assert final.read_bytes() == b"in use by now"
    assert not partial.exists()


async def test_qcow2_becomes_raw_and_back(driver: FileDriver, tmp_path: Path) -> None:
    raw, image, back = tmp_path / "source", tmp_path / "image", tmp_path / "back"
    raw.write_bytes(b"hello".ljust(1 << 20, b"\0"))
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, image)
    await driver.create_from_image("a", 1, ImageSource(path=str(image), disk_format="qcow2"))
    with driver.path_of("a").open("rb") as file:
        assert file.read(5) == b"hello"
    await driver.write_image("a", str(back), "qcow2")
    assert back.read_bytes()[:4] == b"QFI\xfb"


async def test_an_image_larger_than_the_volume_is_refused_and_leaves_nothing(driver: FileDriver, tmp_path: Path) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-q", "-f", "qcow2", image, "2G")
    with pytest.raises(Condition) as caught:
        await driver.create_from_image("a", 1, ImageSource(path=str(image), disk_format="qcow2"))
    assert caught.value.code == "volume.driver.size_too_small"
    assert not [path for path in driver.directory.iterdir() if path.is_file() and path != image]


async def test_a_broken_image_fails_with_the_reason(driver: FileDriver, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"this is no qcow2")
    with pytest.raises(Condition) as caught:
        await driver.create_from_image("a", 1, ImageSource(path=str(image), disk_format="qcow2"))
    assert caught.value.code == "volume.driver.copy_failed"
    assert "qcow2" in caught.value.text
    assert await driver.volumes() == {}


async def test_a_volume_in_use_is_never_copied_piecemeal(driver: FileDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    await driver.create("a", 1)
    monkeypatch.setattr(file_driver, "clone_blocks", lambda source, target: False)
    with pytest.raises(Condition) as caught:
        await driver.create_snapshot("s", "a", in_use=True)
    assert caught.value.code == "volume.driver.in_use_copy_unsupported"
    assert await driver.snapshots() == set()
