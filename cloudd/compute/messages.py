"""What compute's control plane and its hosts tell each other."""

from typing import Any, ClassVar

import msgspec

from cloudd.compute.drivers.base import (
    Diagnostics,
    DiskOffer,
    DiskSpec,
    DomainState,
    HostCapacity,
    InterfaceSpec,
    MigrationProgress,
    RebootKind,
    ServerSpec,
)
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


class Removal(msgspec.Struct, kw_only=True, frozen=True):
    """A server that a host may not run; `keep_disks` because the disks may still be wanted there."""

    server_id: str
    keep_disks: bool = False


class ReportServers(Message, kw_only=True):
    """To CONTROL, when an agent starts or was cut off: what the host has; the answer says what it must remove before anything else."""

    name: ClassVar[str] = "compute.report_servers"
    reply: ClassVar[Any] = list[Removal]
    host: str
    server_ids: list[str]


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


class Diagnose(Message, kw_only=True):
    """What has the running server done?"""

    name: ClassVar[str] = "compute.diagnose"
    reply: ClassVar[Any] = Diagnostics
    server_id: str


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


class OfferDisks(Message, kw_only=True):
    """Let other hosts of the cloud read the server's files until the offer is withdrawn."""

    name: ClassVar[str] = "compute.offer_disks"
    reply: ClassVar[Any] = DiskOffer
    server_id: str


class WithdrawDisks(Message, kw_only=True):
    name: ClassVar[str] = "compute.withdraw_disks"
    server_id: str


class ReceiveDisks(Message, kw_only=True):
    """Fetch what another host offers; without `copy` the disks are only made, for a live migration to fill."""

    name: ClassVar[str] = "compute.receive_disks"
    spec: ServerSpec
    offer: DiskOffer
    copy: bool


class StartMigration(Message, kw_only=True):
    """Begin to move a running server to the host at `address`."""

    name: ClassVar[str] = "compute.start_migration"
    server_id: str
    address: str


class ShowMigration(Message, kw_only=True):
    """How far is the live migration?"""

    name: ClassVar[str] = "compute.show_migration"
    reply: ClassVar[Any] = MigrationProgress
    server_id: str


class AbortMigration(Message, kw_only=True):
    name: ClassVar[str] = "compute.abort_migration"
    server_id: str


class ForceMigration(Message, kw_only=True):
    """Freeze the guest so that its migration comes to an end."""

    name: ClassVar[str] = "compute.force_migration"
    server_id: str
