"""Plans a server's disks from what the user asked for."""

import uuid

from cloudd.compute.domain.build_spec import device_name, disk_bus, plain_device
from cloudd.compute.domain.server_request import BlockDeviceRequest, ServerRequest
from cloudd.compute.store.block_device import BlockDevice
from cloudd.compute.store.server import FlavorFacts
from cloudd.kit.errors import BadRequest

_COMBINATIONS = {
    ("image", "local"),
    ("image", "volume"),
    ("volume", "volume"),
    ("snapshot", "volume"),
    ("blank", "local"),
    ("blank", "volume"),
}


class InvalidBlockDevices(BadRequest):
    code = "compute.block_device.invalid"
    message = "Block Device Mapping is Invalid: {reason}"


def checked(request: ServerRequest) -> list[BlockDeviceRequest]:
    """The disks asked for, the root disk first. InvalidBlockDevices."""
    devices = list(request.block_devices)
    for device in devices:
        _check(device)
    roots = [device for device in devices if device.boot_index == 0]
    if len(roots) > 1:
        raise InvalidBlockDevices(reason="Boot sequence for the instance and image/block device mapping combination is not valid.")
    if not roots:
        if not request.image_id:
            raise InvalidBlockDevices(reason="you need to specify at least one boot device: an image, or a block device with boot_index 0.")
        devices.insert(0, BlockDeviceRequest(source_type="image", destination_type="local", source_id=request.image_id, boot_index=0))
    elif roots[0].source_type == "image" and request.image_id and roots[0].source_id != request.image_id:
        raise InvalidBlockDevices(reason="imageRef and the block device with boot_index 0 name different images.")
    return sorted(devices, key=lambda device: device.boot_index != 0)


def _check(device: BlockDeviceRequest) -> None:
    kind = (device.source_type, device.destination_type)
    if kind not in _COMBINATIONS:
        raise InvalidBlockDevices(reason=f"Mapping image to {device.destination_type} from {device.source_type} is not supported.")
    if device.source_type == "blank":
        if device.source_id:
            raise InvalidBlockDevices(reason="a blank device takes no uuid.")
        if device.size_gib is None:
            raise InvalidBlockDevices(reason="Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size")
    elif not device.source_id:
        raise InvalidBlockDevices(reason=f"a device with source_type {device.source_type} needs a uuid.")
    if kind == ("image", "volume") and device.size_gib is None:
        raise InvalidBlockDevices(reason="Images with destination_type 'volume' need to have a non-zero size specified")
    if kind == ("image", "local") and device.boot_index != 0:
        raise InvalidBlockDevices(reason="Mapping image to local is not supported except for the boot device.")
    if device.device_name is not None and plain_device(device.device_name) is None:
        raise InvalidBlockDevices(reason=f"device_name {device.device_name!r} is no device name.")


def planned(
    server_id: str, devices: list[BlockDeviceRequest], flavor: FlavorFacts, image_properties: dict[str, object]
) -> list[BlockDevice]:
    """Rows for one server, with ids chosen and device names given."""
    rows: list[BlockDevice] = []
    default_bus = disk_bus(image_properties)
    ephemeral = 0
    for wanted in [*devices, *_of_flavor(devices, flavor)]:
        bus = wanted.bus or default_bus
        name, size_gib = "", wanted.size_gib or 0
        if wanted.destination_type == "local":
            if wanted.source_type == "image":
                name, size_gib = "root", flavor.disk_gib
            elif wanted.is_swap:
                name = "swap"
            else:
                name, ephemeral = f"ephemeral{ephemeral}", ephemeral + 1
        makes = wanted.destination_type == "volume" and wanted.source_type != "volume"
        rows.append(
            BlockDevice(
                id=str(uuid.uuid4()),
                server_id=server_id,
                name=name,
                source=wanted.source_type,
                source_id=wanted.source_id,
                volume_id=str(uuid.uuid4()) if makes else wanted.source_id if wanted.source_type == "volume" else None,
                make_volume=makes,
                volume_type=wanted.volume_type,
                size_gib=size_gib,
                # Guests name their disks in the order in which they find them, so names are given in that order too.
                device=device_name(bus, {row.device for row in rows}),
                bus=bus,
                boot_index=wanted.boot_index if wanted.boot_index is not None and wanted.boot_index >= 0 else None,
                delete_on_termination=wanted.delete_on_termination,
                tag=wanted.tag,
            )
        )
    return rows


def _of_flavor(devices: list[BlockDeviceRequest], flavor: FlavorFacts) -> list[BlockDeviceRequest]:
    """The flavor's ephemeral and swap disks, unless the user laid out their own."""
    added = []
    own = [device for device in devices if device.source_type == "blank" and device.destination_type == "local"]
    if flavor.ephemeral_gib and not any(not device.is_swap for device in own):
        added.append(BlockDeviceRequest(source_type="blank", destination_type="local", size_gib=flavor.ephemeral_gib))
    if flavor.swap_mib and not any(device.is_swap for device in own):
        added.append(BlockDeviceRequest(source_type="blank", destination_type="local", size_gib=-(-flavor.swap_mib // 1024), is_swap=True))
    return added


def local_disk_gib(rows: list[BlockDevice]) -> int:
    """What the server takes of its host's disk."""
    return sum(row.size_gib for row in rows if not row.volume_id)
