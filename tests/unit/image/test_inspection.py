"""What uploads claim to be, and what they are."""

import subprocess
from pathlib import Path

import pytest

from cloudd.image.domain.inspection import Inspection
from cloudd.image.errors import ContentMismatch, UnsafeContent


def qemu_img(*arguments: object) -> None:
    subprocess.run(["qemu-img", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def inspect(path: Path, disk_format: str, container_format: str = "bare", chunk_bytes: int = 4096) -> int | None:
    inspection = Inspection(disk_format, container_format)
    with path.open("rb") as file:
        while chunk := file.read(chunk_bytes):
            inspection.feed(chunk)
    return inspection.finish()


@pytest.mark.parametrize("disk_format", ["qcow2", "vmdk", "vdi", "vhdx"])
def test_real_containers_tell_their_virtual_size(tmp_path: Path, disk_format: str) -> None:
    path = tmp_path / "image"
    options = ["-o", "subformat=streamOptimized"] if disk_format == "vmdk" else []
    qemu_img("create", "-q", "-f", "raw", tmp_path / "raw", "8M")
    qemu_img("convert", "-f", "raw", "-O", disk_format, *options, tmp_path / "raw", path)
    assert inspect(path, disk_format) == 8 << 20
    with pytest.raises(ContentMismatch):
        inspect(path, "raw")


def test_raw_is_what_no_container_is(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"\x13" * 100_000)
    assert inspect(path, "raw") == 100_000
    for claimed in ("qcow2", "vmdk", "iso", "vhdx"):
        with pytest.raises(ContentMismatch):
            inspect(path, claimed)


def test_a_few_bytes_are_raw_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"abc")
    assert inspect(path, "raw") == 3
    with pytest.raises(ContentMismatch):
        inspect(path, "qcow2")


def test_a_qcow2_with_a_backing_file_is_unsafe(tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "raw", tmp_path / "base", "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-F", "raw", "-b", tmp_path / "base", tmp_path / "image")
    with pytest.raises(UnsafeContent, match="backing file"):
        inspect(tmp_path / "image", "qcow2")


def test_a_qcow2_with_a_data_file_is_unsafe(tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path / 'elsewhere'},data_file_raw=on", tmp_path / "image", "1M")
    with pytest.raises(UnsafeContent, match="data_file"):
        inspect(tmp_path / "image", "qcow2")


def test_a_vmdk_that_refers_to_other_files_is_unsafe(tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", tmp_path / "image.vmdk", "1M")
    with pytest.raises((UnsafeContent, ContentMismatch)):
        inspect(tmp_path / "image.vmdk", "vmdk")


def test_an_iso_may_hold_a_partition_table(tmp_path: Path) -> None:
    content = bytearray(40 << 10)
    content[32 << 10 : (32 << 10) + 6] = b"\x01CD001"
    content[510:512] = b"\x55\xaa"
    content[446] = 0x80
    content[450] = 0x17
    path = tmp_path / "image"
    path.write_bytes(content)
    assert inspect(path, "iso") == 40 << 10
    assert inspect(path, "raw") == 40 << 10


def test_archives_are_not_looked_into(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"a tar of something")
    assert inspect(path, "vmdk", "ova") is None


def test_a_mismatch_shows_before_the_end(tmp_path: Path) -> None:
    inspection = Inspection("qcow2", "bare")
    inspection.feed(b"\0" * 256)
    with pytest.raises(ContentMismatch):
        inspection.feed(b"\0" * 65536)
