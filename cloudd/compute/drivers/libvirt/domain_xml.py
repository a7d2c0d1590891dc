"""A server's libvirt domain XML, from its spec and what the host can do."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec

from cloudd.compute.drivers.base import DiskSpec, DriverError, InterfaceSpec, ServerSpec

# Marks a domain as ours; domains without it are never touched.
NAMESPACE = "urn:cloudd:compute:1"
# Free PCI Express ports, so that disks and NICs can be plugged in while the guest runs.
HOTPLUG_PORTS = 24
_SECTOR_BUSES = {"virtio", "scsi", "ide", "sata", "usb"}
_NIC_MODELS = {"virtio", "e1000", "e1000e", "rtl8139", "ne2k_pci", "pcnet"}
# cloud-init asks the metadata service only where it finds this product name.
_PRODUCT = {"manufacturer": "OpenStack Foundation", "product": "OpenStack Nova", "family": "Virtual Machine"}
# What a virtio NIC otherwise leaves to the host that sends its packets on.
_HOST_OFFLOADS = ("csum", "gso", "tso4", "tso6", "ecn", "ufo")

ET.register_namespace("cloudd", NAMESPACE)


@dataclasses.dataclass(frozen=True)
class HostFeatures:
    """What the XML depends on beside the server itself."""

    domain_type: str = "qemu"
    emulated_machine: str = "pc"
    architecture: str = "x86_64"
    cpu_mode: str = ""
    cpu_model: str = ""
    graphics: str = "none"
    # False for libvirt's own mock hypervisor, which has neither switches nor files.
    real: bool = True
    # Whether guests on the switch of that name may leave checksums and segments to it; asked for each NIC, for the answer may change.
    may_offload: Callable[[str], bool] = lambda _bridge: True


@dataclasses.dataclass(frozen=True)
class LocalFiles:
    """Where a server's own files lie on the host."""

    directory: Path

    @property
    def console_log(self) -> Path:
        return self.directory / "console.log"

    @property
    def config_drive(self) -> Path:
        return self.directory / "config_drive.iso"

    def disk(self, name: str) -> Path:
        """A local disk's qcow2 file."""
        return self.directory / f"{name}.qcow2"


def domain_xml(spec: ServerSpec, host: HostFeatures, files: LocalFiles) -> str:
    """The whole domain."""
    root = ET.Element("domain", type=host.domain_type)
    _text(root, "name", spec.domain_name)
    _text(root, "uuid", spec.server_id)
    owner = ET.SubElement(ET.SubElement(root, "metadata"), f"{{{NAMESPACE}}}server")
    _text(owner, f"{{{NAMESPACE}}}name", spec.name)
    _text(owner, f"{{{NAMESPACE}}}project", spec.project_id)
    _text(root, "memory", str(spec.memory_mib), unit="MiB")
    _text(root, "vcpu", str(spec.vcpus))
    _add_system(root, spec, host)
    devices = ET.SubElement(root, "devices")
    machine = spec.machine or host.emulated_machine
    if host.domain_type != "test" and "q35" in machine:
        ET.SubElement(devices, "controller", type="pci", model="pcie-root")
        for _ in range(HOTPLUG_PORTS):
            ET.SubElement(devices, "controller", type="pci", model="pcie-root-port")
    disks = _with_boot_order(spec.disks)
    drive_bus = _config_drive_bus(disks) if spec.config_drive else ""
    if drive_bus == "scsi" or any(disk.bus == "scsi" for disk in disks):
        ET.SubElement(devices, "controller", type="scsi", index="0", model="virtio-scsi")
    devices.extend(disk_element(disk, files) for disk in disks)
    if spec.config_drive:
        devices.append(_config_drive(files, drive_bus))
    devices.extend(interface_element(interface, host) for interface in spec.interfaces)
    if host.domain_type != "test":
        _add_comforts(devices, host, files)
    return ET.tostring(root, encoding="unicode")


def disk_element(disk: DiskSpec, files: LocalFiles) -> ET.Element:
    """One <disk>, for the domain or to plug in alone."""
    if disk.bus not in _SECTOR_BUSES:
        raise DriverError(
            "disk_bus_unknown", f"Disk bus {disk.bus!r} is not one of {sorted(_SECTOR_BUSES)}; correct the image's hw_disk_bus."
        )
    if not disk.volume_id:
        element = ET.Element("disk", type="file", device="disk")
        ET.SubElement(element, "driver", name="qemu", type="qcow2", discard="unmap")
        ET.SubElement(element, "source", file=str(files.disk(disk.name)))
    else:
        element = _volume(disk)
    ET.SubElement(element, "target", dev=disk.device, bus=disk.bus)
    _text(element, "serial", disk.serial)
    if disk.read_only:
        ET.SubElement(element, "readonly")
    if disk.boot_index is not None and disk.boot_index >= 0:
        ET.SubElement(element, "boot", order=str(disk.boot_index + 1))
    return element


def _volume(disk: DiskSpec) -> ET.Element:
    connection = disk.connection
    match connection.get("driver"):
        case "file":
            element = ET.Element("disk", type="file", device="disk")
            ET.SubElement(element, "driver", name="qemu", type=connection.get("format", "raw"), cache="none", discard="unmap")
            ET.SubElement(element, "source", file=connection["path"])
        case "block":
            element = ET.Element("disk", type="block", device="disk")
            ET.SubElement(element, "driver", name="qemu", type="raw", cache="none", discard="unmap")
            ET.SubElement(element, "source", dev=connection["path"])
        case "iscsi":
            # QEMU's own initiator: the host's kernel has no part in it, nor a device node.
            element = ET.Element("disk", type="network", device="disk")
            ET.SubElement(element, "driver", name="qemu", type="raw", cache="none", discard="unmap")
            source = ET.SubElement(element, "source", protocol="iscsi", name=f"{connection['iqn']}/{connection['lun']}")
            host, _, port = connection["portals"].partition(",")[0].rpartition(":")
            ET.SubElement(source, "host", name=host.strip("[]"), port=port)
            auth = ET.SubElement(source, "auth", username=connection["username"])
            ET.SubElement(auth, "secret", type="iscsi", usage=connection["iqn"])
        case other:
            raise DriverError(
                "connection_unknown", f"Volume {disk.volume_id} is offered by driver {other!r}, which this host cannot attach."
            )
    return element


def _with_boot_order(disks: list[DiskSpec]) -> list[DiskSpec]:
    """The disks with at least one to boot from: without an order the firmware would try the config drive too."""
    if not disks or any(disk.boot_index is not None and disk.boot_index >= 0 for disk in disks):
        return disks
    return [msgspec.structs.replace(disks[0], boot_index=0), *disks[1:]]


def _config_drive_bus(disks: list[DiskSpec]) -> str:
    """virtio-scsi, which the small kernels of cloud images have when they lack ATA; a guest on an older bus finds it there."""
    root_bus = disks[0].bus if disks else ""
    return root_bus if root_bus in ("ide", "sata") else "scsi"


def _config_drive(files: LocalFiles, bus: str) -> ET.Element:
    element = ET.Element("disk", type="file", device="cdrom")
    ET.SubElement(element, "driver", name="qemu", type="raw")
    ET.SubElement(element, "source", file=str(files.config_drive))
    # A name and a place that no data disk takes: the last of an ATA bus, a SCSI target of its own.
    ET.SubElement(element, "target", dev={"ide": "hdd", "sata": "sdf", "scsi": "sdaa"}[bus], bus=bus)
    ET.SubElement(element, "readonly")
    if bus == "scsi":
        ET.SubElement(element, "address", type="drive", controller="0", bus="0", target="1", unit="0")
    return element


def interface_element(interface: InterfaceSpec, host: HostFeatures) -> ET.Element:
    """One <interface>, for the domain or to plug in alone."""
    if interface.model not in _NIC_MODELS:
        raise DriverError("nic_model_unknown", f"NIC model {interface.model!r} is not one of {sorted(_NIC_MODELS)}; correct hw_vif_model.")
    if interface.bridge and host.real:
        element = ET.Element("interface", type="bridge")
        ET.SubElement(element, "source", bridge=interface.bridge)
        if interface.vif_type == "ovs":
            port = ET.SubElement(element, "virtualport", type="openvswitch")
            ET.SubElement(port, "parameters", interfaceid=interface.port_id)
    elif host.real:
        # No switch: QEMU's own network stack in user space, which needs no privilege.
        element = ET.Element("interface", type="user")
    else:
        element = ET.Element("interface", type="network")
        ET.SubElement(element, "source", network="default")
    ET.SubElement(element, "mac", address=interface.mac_address)
    ET.SubElement(element, "model", type=interface.model)
    if interface.bridge and host.real:
        if interface.model == "virtio" and not host.may_offload(interface.bridge):
            ET.SubElement(ET.SubElement(element, "driver"), "host", dict.fromkeys(_HOST_OFFLOADS, "off"))
        ET.SubElement(element, "target", dev=interface.device)
        ET.SubElement(element, "mtu", size=str(interface.mtu))
    return element


def _add_system(root: ET.Element, spec: ServerSpec, host: HostFeatures) -> None:
    system = ET.SubElement(root, "os")
    if host.domain_type == "test":
        _text(system, "type", "hvm")
        return
    _text(system, "type", "hvm", arch=host.architecture, machine=spec.machine or host.emulated_machine)
    ET.SubElement(system, "smbios", mode="sysinfo")
    facts = ET.SubElement(ET.SubElement(root, "sysinfo", type="smbios"), "system")
    for name, value in {**_PRODUCT, "serial": spec.server_id, "uuid": spec.server_id}.items():
        _text(facts, "entry", value, name=name)
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "acpi")
    ET.SubElement(features, "apic")
    if host.cpu_mode == "custom":
        cpu = ET.SubElement(root, "cpu", mode="custom", match="exact", check="none")
        _text(cpu, "model", host.cpu_model)
    elif host.cpu_mode:
        ET.SubElement(root, "cpu", mode=host.cpu_mode)
    clock = ET.SubElement(root, "clock", offset="utc")
    ET.SubElement(clock, "timer", name="hpet", present="no")
    if host.domain_type == "kvm":
        ET.SubElement(clock, "timer", name="rtc", tickpolicy="catchup")
    _text(root, "on_poweroff", "destroy")
    _text(root, "on_reboot", "restart")
    _text(root, "on_crash", "destroy")


def _add_comforts(devices: ET.Element, host: HostFeatures, files: LocalFiles) -> None:
    serial = ET.SubElement(devices, "serial", type="pty")
    # virtlogd writes it: it goes on over restarts of libvirtd and rolls over at its max_size, so that no guest fills the disk.
    ET.SubElement(serial, "log", file=str(files.console_log), append="on")
    ET.SubElement(serial, "target", port="0")
    ET.SubElement(ET.SubElement(devices, "memballoon", model="virtio"), "stats", period="10")
    rng = ET.SubElement(devices, "rng", model="virtio")
    _text(rng, "backend", "/dev/urandom", model="random")
    if host.graphics == "vnc":
        ET.SubElement(devices, "graphics", type="vnc", autoport="yes", listen="127.0.0.1")
        ET.SubElement(ET.SubElement(devices, "video"), "model", type="vga")
        ET.SubElement(devices, "input", type="tablet", bus="usb")


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    element.text = text
    return element


def parse(xml: str) -> ET.Element:
    """XML that libvirt itself wrote."""
    return ET.fromstring(xml)  # noqa: S314  (not from a user)


def is_ours(xml: str) -> bool:
    """Whether a domain's XML carries the mark of this service."""
    return parse(xml).find(f"metadata/{{{NAMESPACE}}}server") is not None


def find_disk(xml: str, volume_id: str) -> ET.Element | None:
    """The <disk> of a volume in a domain's XML; its serial is the one thing every bus and hypervisor keeps."""
    for element in parse(xml).iterfind("devices/disk"):
        if element.findtext("serial") == volume_id[:20]:
            return element
    return None


def find_interface(xml: str, port_id: str, mac_address: str = "") -> ET.Element | None:
    """The <interface> of a port in a domain's XML, known by its switch port, its tap or else its MAC."""
    for element in parse(xml).iterfind("devices/interface"):
        parameters = element.find("virtualport/parameters")
        target, mac = element.find("target"), element.find("mac")
        if (
            (parameters is not None and parameters.get("interfaceid") == port_id)
            or (target is not None and target.get("dev") == f"tap{port_id[:11]}")
            or (mac_address and mac is not None and mac.get("address") == mac_address)
        ):
            return element
    return None
