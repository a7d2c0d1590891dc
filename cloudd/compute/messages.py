"""What compute's control plane and its hosts tell each other."""

from typing import Any, ClassVar

from cloudd.compute.drivers.base import DiskSpec, DomainState, HostCapacity, InterfaceSpec, RebootKind, ServerSpec
from cloudd.image.transfer import ImageTarget
from cloudd.kit.bus import Message

#: answered by a worker of the control plane
CONTROL = "compute.control"


def agent_topic(host: str) -> str:
    """The queue of one host's compute agent."""
    return f"compute.agent.{host}"


class Heartbeat(Message, kw_only=True):
    """To CONTROL, every few seconds: the host lives, and this is what it has."""

    name: ClassVar[str] = "compute.heartbeat"
    host: str
    address: str = ""
    availability_zone: str
    capacity: HostCapacity


class ListDomains(Message, kw_only=True):
    """Which domains of ours are on the host, and in which state?"""

    name: ClassVar[str] = "compute.list_domains"
    reply: ClassVar[Any] = list[DomainState]


class BuildServer(Message, kw_only=True):
    """Make what is missing of a server, define it as told, and start it unless `power_on` is false."""

    name: ClassVar[str] = "compute.build_server"
    spec: ServerSpec
    power_on: bool = True


class DestroyServer(Message, kw_only=True):
    """Remove a server with all its local traces; `keep_disks` keeps its directory."""

    name: ClassVar[str] = "compute.destroy_server"
    server_id: str
    keep_disks: bool = False


class StopServer(Message, kw_only=True):
    """Shut down; after the time pull the plug."""

    name: ClassVar[str] = "compute.stop_server"
    server_id: str
    timeout_seconds: float = 60


class RebootServer(Message, kw_only=True):
    name: ClassVar[str] = "compute.reboot_server"
    spec: ServerSpec
    kind: RebootKind
    timeout_seconds: float = 60


class ChangePower(Message, kw_only=True):
    """`act` is pause, unpause, suspend or resume."""

    name: ClassVar[str] = "compute.change_power"
    server_id: str
    act: str


class ConsoleOutput(Message, kw_only=True):
    name: ClassVar[str] = "compute.console_output"
    reply: ClassVar[Any] = str
    server_id: str
    line_count: int | None = None


class AttachDisk(Message, kw_only=True):
    name: ClassVar[str] = "compute.attach_disk"
    server_id: str
    disk: DiskSpec


class DetachDisk(Message, kw_only=True):
    name: ClassVar[str] = "compute.detach_disk"
    server_id: str
    volume_id: str


class ExtendDisk(Message, kw_only=True):
    """A volume of the server has grown; the guest is to see it."""

    name: ClassVar[str] = "compute.extend_disk"
    server_id: str
    volume_id: str
    size_gib: int


class AttachInterface(Message, kw_only=True):
    name: ClassVar[str] = "compute.attach_interface"
    server_id: str
    interface: InterfaceSpec


class DetachInterface(Message, kw_only=True):
    name: ClassVar[str] = "compute.detach_interface"
    server_id: str
    port_id: str
    mac_address: str


class SnapshotRoot(Message, kw_only=True):
    """Make the root disk's contents (qcow2) an image's."""

    name: ClassVar[str] = "compute.snapshot_root"
    server_id: str
    target: ImageTarget


class ResizeServer(Message, kw_only=True):
    name: ClassVar[str] = "compute.resize_server"
    spec: ServerSpec
    power_on: bool = True


class ConfirmResize(Message, kw_only=True):
    name: ClassVar[str] = "compute.confirm_resize"
    server_id: str


class RevertResize(Message, kw_only=True):
    name: ClassVar[str] = "compute.revert_resize"
    spec: ServerSpec
    power_on: bool = True
