"""From rows to the spec that a host builds a server from."""

import re
from typing import Any

from cloudd.compute.drivers.base import DiskSpec, InterfaceSpec, ServerSpec
from cloudd.compute.store.block_device import BlockDevice
from cloudd.compute.store.interface import Interface
from cloudd.compute.store.server import Server
from cloudd.image.client import ImageSource

_PREFIX = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def disk_bus(image_properties: dict[str, Any]) -> str:
    """The bus that the image asks for, virtio where it does not."""
    return str(image_properties.get("hw_disk_bus") or "virtio")


def device_name(bus: str, taken: set[str]) -> str:
    """The first free name on a bus: vda … vdz."""
    for letter in _LETTERS:
        if (name := f"{_PREFIX.get(bus, 'vd')}{letter}") not in taken:
            return name
    raise ValueError("all 26 device names are taken")


def plain_device(name: str | None) -> str | None:
    """/dev/vdb as vdb; None for what is no device name."""
    if not name:
        return None
    match = re.fullmatch(r"(?:/dev/)?([a-z]{2,3}[a-z])", name)
    return match.group(1) if match else None


def disk_spec(device: BlockDevice, image: ImageSource | None = None) -> DiskSpec:
    """One disk."""
    if device.volume_id:
        return DiskSpec(
            device=device.device,
            bus=device.bus,
            volume_id=device.volume_id,
            connection=device.connection or {},
            boot_index=device.boot_index,
        )
    return DiskSpec(
        device=device.device, bus=device.bus, name=device.name, size_gib=device.size_gib, image=image, boot_index=device.boot_index
    )


def interface_spec(interface: Interface, image_properties: dict[str, Any], *, mtu: int, vif_type: str, bridge: str) -> InterfaceSpec:
    """One NIC."""
    return InterfaceSpec(
        port_id=interface.id,
        mac_address=interface.mac_address,
        mtu=mtu,
        model=str(image_properties.get("hw_vif_model") or "virtio"),
        vif_type=vif_type,
        bridge=bridge,
    )


def server_spec(
    server: Server, disks: list[DiskSpec], interfaces: list[InterfaceSpec], config_drive: dict[str, bytes], *, disks_must_exist: bool
) -> ServerSpec:
    """The whole server."""
    return ServerSpec(
        server_id=server.id,
        name=server.name,
        project_id=server.project_id,
        vcpus=server.flavor.vcpus,
        memory_mib=server.flavor.memory_mib,
        disks=disks,
        interfaces=interfaces,
        machine=str(server.image_properties.get("hw_machine_type") or ""),
        config_drive=config_drive,
        disks_must_exist=disks_must_exist,
    )
