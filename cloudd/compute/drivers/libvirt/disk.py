"""A host's local disk files: overlays on base images, the config drive, all made so that half a file is never used."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cloudd.compute.drivers.base import DiskSpec, DriverError, ServerSpec
from cloudd.compute.drivers.libvirt.base_image import BASE_DIRECTORY
from cloudd.compute.drivers.libvirt.domain_xml import LocalFiles
from cloudd.compute.metadata.config_drive import write_config_drive
from cloudd.image.transfer import ImageSource

# Formats that can stand behind an overlay as they are; a name that is not here never reaches qemu-img.
_FORMATS = {"qcow2", "raw", "vmdk", "vdi", "vhdx", "vhd", "ami"}
_QEMU_NAME = {"vhd": "vpc", "ami": "raw"}


class DiskStore:
    """The directory of servers' files: `<server id>/root.qcow2` …, and `_base/` with the images they stand on."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.base_directory = directory / BASE_DIRECTORY

    def prepare(self) -> None:
        """Make the directories; QEMU's user must be able to walk through them."""
        self.base_directory.mkdir(parents=True, exist_ok=True)
        for path in (self.directory, self.base_directory):
            path.chmod(0o711)

    def files(self, server_id: str) -> LocalFiles:
        """Where one server's files are."""
        return LocalFiles(self.directory / server_id)

    def server_ids(self) -> list[str]:
        """The servers that have files here."""
        return [path.name for path in self.directory.glob("*-*-*-*-*") if path.is_dir()]

    def offered_path(self, server_id: str, name: str) -> Path:
        """Where a file lies that `offered_files` names."""
        return self.directory / name if name.startswith(f"{self.base_directory.name}/") else self.files(server_id).directory / name

    def make(self, spec: ServerSpec) -> None:
        """Make every local disk that is missing, and the config drive."""
        files = self.files(spec.server_id)
        files.directory.mkdir(parents=True, exist_ok=True)
        files.directory.chmod(0o711)
        for disk in spec.disks:
            if disk.volume_id or files.disk(disk.name).exists():
                continue
            if spec.disks_must_exist:
                raise DriverError(
                    "root_disk_missing",
                    f"Disk {files.disk(disk.name)} of server {spec.server_id} is gone from this host; restore it or rebuild the server.",
                )
            self._make_disk(disk, files.disk(disk.name))
        if spec.config_drive and not files.config_drive.exists():
            with whole_file(files.config_drive) as part:
                write_config_drive(part, spec.config_drive)

    def remove(self, server_id: str) -> None:
        """Remove all files of a server."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.files(server_id).directory)

    def _make_disk(self, disk: DiskSpec, path: Path) -> None:
        with whole_file(path) as part:
            if disk.image is None:
                qemu_img("create", "-q", "-f", "qcow2", str(part), f"{disk.size_gib}G")
                return
            base, base_format, virtual_size_bytes = self._base(disk.image)
            # A flavor without a disk size takes the image's own.
            size_bytes = disk.size_gib << 30 or virtual_size_bytes
            if size_bytes < virtual_size_bytes:
                raise DriverError(
                    "image_too_big",
                    f"Image {disk.image.image_id} unpacks to {virtual_size_bytes} bytes, more than the flavor gives "
                    f"({disk.size_gib} GiB); take a larger flavor.",
                )
            qemu_img("create", "-q", "-f", "qcow2", "-b", str(base), "-F", base_format, str(part), str(size_bytes))

    def _base(self, image: ImageSource) -> tuple[Path, str, int]:
        if image.disk_format not in _FORMATS:
            raise DriverError(
                "image_format_unknown",
                f"Image {image.image_id} has disk format {image.disk_format!r}; a server's disk needs one of {sorted(_FORMATS)}.",
            )
        file_format = _QEMU_NAME.get(image.disk_format, image.disk_format)
        path = Path(image.path)
        if path.parent != self.base_directory:
            path = self._keep(image)
        about = json.loads(qemu_img("info", "-U", "--output=json", "-f", file_format, str(path)))
        _refuse_references(image, about)
        return path, file_format, int(about["virtual-size"])

    def _keep(self, image: ImageSource) -> Path:
        """A copy among the base images of a file that lies elsewhere."""
        path = self.base_directory / image.key
        if not path.exists():
            with whole_file(path) as part:
                subprocess.run(["cp", "--reflink=auto", "--sparse=always", image.path, str(part)], check=True)
        return path

    def shelve_root(self, server_id: str) -> None:
        """Keep the root disk aside before a resize; if that was done already, leave it be."""
        files = self.files(server_id)
        kept = files.disk("root_before_resize")
        if files.disk("root").exists() and not kept.exists():
            with whole_file(kept) as part:
                subprocess.run(["cp", "--reflink=auto", "--sparse=always", str(files.disk("root")), str(part)], check=True)

    def has_shelved_root(self, server_id: str) -> bool:
        """Whether a resize is under way or waits to be confirmed."""
        return self.files(server_id).disk("root_before_resize").exists()

    def grow_root(self, server_id: str, size_gib: int) -> None:
        """Enlarge the root disk; never shrinks it."""
        path = self.files(server_id).disk("root")
        if path.exists() and virtual_size(path, "qcow2") < size_gib << 30:
            qemu_img("resize", "-q", "-f", "qcow2", str(path), f"{size_gib}G")

    def drop_shelved_root(self, server_id: str) -> None:
        """Forget the disk kept at resize."""
        self.files(server_id).disk("root_before_resize").unlink(missing_ok=True)

    def unshelve_root(self, server_id: str) -> None:
        """Put the disk kept at resize back; fine if that was done already."""
        kept = self.files(server_id).disk("root_before_resize")
        if kept.exists():
            kept.replace(self.files(server_id).disk("root"))


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name that becomes `path` only if the work ends well, so that a crash leaves nothing that looks finished."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _refuse_references(image: ImageSource, about: dict[str, Any]) -> None:
    """A user's image must stand alone: one that points at other files of the host would let its guest read them."""
    if (
        about.get("backing-filename")
        or about.get("full-backing-filename")
        or about.get("format-specific", {}).get("data", {}).get("data-file")
    ):
        raise DriverError(
            "image_refers_out", f"Image {image.image_id} refers to another file; upload one that stands alone (qemu-img convert)."
        )


def virtual_size(path: Path, file_format: str) -> int:
    """The size in bytes a guest sees; `-U` because the disk may be in use."""
    return int(json.loads(qemu_img("info", "-U", "--output=json", "-f", file_format, str(path)))["virtual-size"])


def qemu_img(*arguments: str) -> str:
    """Run qemu-img and give back its standard output."""
    try:
        done = subprocess.run(["qemu-img", *arguments], check=True, capture_output=True, text=True, timeout=3600)
    except FileNotFoundError:
        raise DriverError("qemu_img_missing", "qemu-img is not installed on this host; install qemu-utils.") from None
    except subprocess.CalledProcessError as error:
        raise DriverError("qemu_img_failed", f"qemu-img {arguments[0]} failed: {error.stderr.strip()}") from error
    return done.stdout
