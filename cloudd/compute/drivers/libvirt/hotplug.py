"""Plugging disks and NICs into a domain that may be running, and waiting until the guest has let go of one."""

import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import libvirt

from cloudd.compute.drivers.base import DriverError

# A guest that is still booting ignores the request to let go; it is asked again.
DETACH_ATTEMPTS = 8
DETACH_WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.2


def attach(domain: Any, element: ET.Element) -> None:
    """Plug a device in for every later start and, if it runs, at once."""
    xml = ET.tostring(element, encoding="unicode")
    flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
    if domain.isActive():
        flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
    domain.attachDeviceFlags(xml, flags)


def grow(domain: Any, element: ET.Element | None, size_bytes: int) -> None:
    """Tell a running guest its disk's new size, or the larger one that the disk has by now; without such a disk nothing happens."""
    target, driver = (element.find("target"), element.find("driver")) if element is not None else (None, None)
    if target is None:
        return
    device = target.get("dev", "")
    capacity, _, physical = domain.blockInfo(device)
    # QEMU would cut off what is longer: news of an earlier growth may come late.
    is_raw = driver is not None and driver.get("type") == "raw"
    wanted = max(size_bytes, capacity, physical if is_raw else 0)
    domain.blockResize(device, wanted, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)


def detach(domain: Any, find: Callable[[str], ET.Element | None], what: str) -> None:
    """Unplug the device that `find` sees in the domain's XML; returns once it is gone from both its states.

    Raises DriverError `guest_holds_device` when the guest does not let go in about 40 s.
    """
    _detach_from_config(domain, find)
    deadline_attempts = DETACH_ATTEMPTS
    while deadline_attempts and domain.isActive():
        element = find(domain.XMLDesc(0))
        if element is None:
            return
        deadline_attempts -= 1
        _ask(domain, element)
        deadline = time.monotonic() + DETACH_WAIT_SECONDS
        while time.monotonic() < deadline:
            if not domain.isActive() or find(domain.XMLDesc(0)) is None:
                return
            time.sleep(_POLL_SECONDS)
    if domain.isActive() and find(domain.XMLDesc(0)) is not None:
        raise DriverError(
            "guest_holds_device",
            f"The guest does not let go of {what}; unmount it there or stop the server, then try again.",
            retryable=True,
        )


def _detach_from_config(domain: Any, find: Callable[[str], ET.Element | None]) -> None:
    element = find(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    if element is not None:
        domain.detachDeviceFlags(ET.tostring(element, encoding="unicode"), libvirt.VIR_DOMAIN_AFFECT_CONFIG)


def _ask(domain: Any, element: ET.Element) -> None:
    try:
        domain.detachDeviceFlags(ET.tostring(element, encoding="unicode"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    except libvirt.libvirtError as error:
        # QEMU answers so while an earlier request is still waiting for the guest, or has just been granted.
        if "in the process of unplug" in str(error) or error.get_error_code() == libvirt.VIR_ERR_DEVICE_MISSING:
            return
        raise
