"""Copying a root disk into one file that stands alone, from under a running guest if need be."""

import shutil
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import libvirt

from cloudd.compute.drivers.base import DriverError
from cloudd.compute.drivers.libvirt.disk import qemu_img
from cloudd.compute.drivers.libvirt.domain_xml import parse

_POLL_SECONDS = 0.2


def copy_root(domain: Any, root: Path, target: Path) -> None:
    """Write the disk at `root` to `target` (qcow2), as it was when the copying began."""
    target.unlink(missing_ok=True)
    if domain.isActive():
        _backup(domain, root, target)
    else:
        qemu_img("convert", "-q", "-f", "qcow2", "-O", "qcow2", str(root), str(target))


def _backup(domain: Any, root: Path, target: Path) -> None:
    device = _device(domain.XMLDesc(0), root)
    # Beside the root disk, where QEMU's user may write; moved to its place when whole.
    part = root.with_name("snapshot.part")
    part.unlink(missing_ok=True)
    request = ET.Element("domainbackup", mode="push")
    disks = ET.SubElement(request, "disks")
    for name in _devices(domain.XMLDesc(0)):
        disk = ET.SubElement(disks, "disk", name=name, backup="yes" if name == device else "no")
        if name == device:
            disk.set("type", "file")
            ET.SubElement(disk, "driver", type="qcow2")
            ET.SubElement(disk, "target", file=str(part))
    try:
        domain.backupBegin(ET.tostring(request, encoding="unicode"), None)
        _wait(domain)
        shutil.move(part, target)
    finally:
        part.unlink(missing_ok=True)


def _wait(domain: Any) -> None:
    while domain.jobInfo()[0] not in (libvirt.VIR_DOMAIN_JOB_NONE, libvirt.VIR_DOMAIN_JOB_COMPLETED):
        time.sleep(_POLL_SECONDS)
    done = domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    if not done.get("success", True):
        raise DriverError(
            "snapshot_failed", f"Copying the root disk failed: {done.get('errmsg', 'the hypervisor gives no reason')}", retryable=True
        )


def _devices(xml: str) -> list[str]:
    names = (target.get("dev") for target in parse(xml).iterfind("devices/disk[@device='disk']/target"))
    return [name for name in names if name]


def _device(xml: str, root: Path) -> str:
    for disk in parse(xml).iterfind("devices/disk"):
        source, target = disk.find("source"), disk.find("target")
        if source is not None and target is not None and source.get("file") == str(root):
            return target.get("dev") or ""
    raise DriverError("root_disk_missing", f"The domain has no local root disk {root}; snapshot its boot volume instead.")
