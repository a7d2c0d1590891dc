"""A server's local files on their way to another host: what the one offers, and what the other makes of it."""

import json
from pathlib import Path

from cloudd.compute.drivers.base import DiskOffer, DriverError, OfferedFile, ServerSpec
from cloudd.compute.drivers.libvirt.disk import DiskStore, qemu_img, whole_file
from cloudd.compute.drivers.libvirt.disk_export import DiskExports


def offered_files(disks: DiskStore, server_id: str) -> list[OfferedFile]:
    """A server's disks and config drive, after the base images that the disks stand on. A kept disk of a resize stays behind."""
    files, bases = [], {}
    directory = disks.files(server_id).directory
    for path in sorted(directory.glob("*.qcow2")) if directory.is_dir() else []:
        if path.stem == "root_before_resize":
            continue
        about = json.loads(qemu_img("info", "-U", "--output=json", "-f", "qcow2", str(path)))
        backing = ""
        if base := about.get("full-backing-filename"):
            backing = f"{disks.base_directory.name}/{Path(base).name}"
            bases[backing] = OfferedFile(name=backing, size_bytes=Path(base).stat().st_size)
        files.append(
            OfferedFile(
                name=path.name,
                size_bytes=path.stat().st_size,
                virtual_size_bytes=about["virtual-size"],
                backing=backing,
                backing_format=about.get("backing-filename-format", ""),
            )
        )
    drive = disks.files(server_id).config_drive
    if drive.exists():
        files.append(OfferedFile(name=drive.name, size_bytes=drive.stat().st_size))
    return [*bases.values(), *files]


def make_offered(disks: DiskStore, exports: DiskExports, spec: ServerSpec, offer: DiskOffer, *, copy: bool) -> None:
    """Fetch what an offer holds; disks without `copy` are made empty. Files of an earlier attempt are not trusted."""
    disks.remove(spec.server_id)
    directory = disks.files(spec.server_id).directory
    directory.mkdir(parents=True)
    directory.chmod(0o711)
    for file in offer.files:
        path = disks.offered_path(spec.server_id, file.name)
        if path.parent not in (directory, disks.base_directory):
            raise DriverError("offer_refused", f"Host {offer.address} offers {file.name!r}, which lies outside of the server's files.")
        is_base = path.parent == disks.base_directory
        if is_base and path.exists():
            continue
        with whole_file(path) as part:
            if file.virtual_size_bytes and not copy:
                backing = ["-b", str(disks.directory / file.backing), "-F", file.backing_format] if file.backing else []
                qemu_img("create", "-q", "-f", "qcow2", *backing, str(part), str(file.virtual_size_bytes))
            else:
                exports.fetch(offer, file.name, file.size_bytes, part)
                if file.backing:
                    base = disks.directory / file.backing
                    qemu_img("rebase", "-q", "-u", "-f", "qcow2", "-b", str(base), "-F", file.backing_format, str(part))
            if is_base:
                part.chmod(0o444)
    for disk in spec.disks:
        if disk.name == "root" and copy:
            disks.grow_root(spec.server_id, disk.size_gib)
