"""What a running domain has done since its start."""

from typing import Any

from cloudd.compute.drivers.base import Diagnostics, DiskTraffic, NicTraffic
from cloudd.compute.drivers.libvirt.domain_xml import parse

_NONE = (0,) * 8


def read(domain: Any) -> Diagnostics:
    """Of a virDomain that runs."""
    _, maximum_kib, used_kib, _, _ = domain.info()
    definition = parse(domain.XMLDesc(0))
    disks, nics = [], []
    for disk in definition.iterfind("devices/disk/target"):
        read_requests, read_bytes, write_requests, write_bytes, errors = domain.blockStats(disk.get("dev"))
        disks.append(DiskTraffic(disk.get("dev", ""), read_bytes, read_requests, write_bytes, write_requests, errors))
    for interface in definition.iterfind("devices/interface"):
        mac, target = interface.find("mac"), interface.find("target")
        # One that is plugged into no switch has no device, and no traffic that could be told.
        device = target.get("dev", "") if target is not None else ""
        traffic = domain.interfaceStats(device) if device else _NONE
        nics.append(NicTraffic(device, mac.get("address", "") if mac is not None else "", *traffic))
    return Diagnostics(
        hypervisor=definition.get("type", ""),
        cpu_nanoseconds=[nanoseconds for _, _, nanoseconds, _ in domain.vcpus()[0]],
        memory_maximum_mib=maximum_kib >> 10,
        memory_used_mib=used_kib >> 10,
        disks=disks,
        nics=nics,
    )
