"""What every hypervisor driver can do, and the plain data it is told to do it with."""

import abc
import enum

import msgspec

from cloudd.image.transfer import ImageSource


class PowerState(enum.StrEnum):
    """What the hypervisor says of a domain, whatever the service believes."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUTOFF = "shutoff"
    SUSPENDED = "suspended"
    CRASHED = "crashed"
    UNKNOWN = "unknown"


class RebootKind(enum.StrEnum):
    """SOFT asks the guest first; HARD is the reset button, and heals a domain that was lost or changed."""

    SOFT = "SOFT"
    HARD = "HARD"


class DiskSpec(msgspec.Struct, kw_only=True, frozen=True):
    """One disk of a server: local (made by the driver from `image`, or blank) or a volume's `connection`.

    `device` is the name in the domain (vda, sda, hda). A local disk has a `name` (root, ephemeral0, swap) and `size_gib`.
    A driver is given images that are files of its host, checked.
    `connection` is what the volume service answered: {"driver": "file", "path", "format", "serial"}, or {"driver": "iscsi",
    "portals" (address:port, parted by commas), "iqn", "lun", "username", "password", "serial"}.
    """

    device: str
    bus: str = "virtio"
    name: str = ""
    size_gib: int = 0
    image: ImageSource | None = None
    volume_id: str = ""
    connection: dict[str, str] = {}
    boot_index: int | None = None
    read_only: bool = False

    @property
    def serial(self) -> str:
        """What the guest sees as the disk's serial number: the first 20 characters of the volume's id."""
        return (self.volume_id or self.name)[:20]


class InterfaceSpec(msgspec.Struct, kw_only=True, frozen=True):
    """One NIC: which port it is, and the switch it is plugged into. An empty bridge leaves it unplugged (tests)."""

    port_id: str
    mac_address: str
    mtu: int = 1500
    model: str = "virtio"
    vif_type: str = "ovs"
    bridge: str = "br-int"

    @property
    def device(self) -> str:
        """The name of its tap device on the host, 14 characters as the kernel allows."""
        return f"tap{self.port_id[:11]}"


class ServerSpec(msgspec.Struct, kw_only=True, frozen=True):
    """All that a host must know to make a server, and to make it again after it was lost."""

    server_id: str
    name: str
    project_id: str
    vcpus: int
    memory_mib: int
    disks: list[DiskSpec] = []
    interfaces: list[InterfaceSpec] = []
    machine: str = ""
    # Name inside the config drive's tree -> contents; empty means no config drive.
    config_drive: dict[str, bytes] = {}
    # True: the root disk must be there already, and is never made afresh (a server that once ran has data).
    disks_must_exist: bool = False

    @property
    def domain_name(self) -> str:
        """The name the hypervisor's own tools show."""
        return domain_name(self.server_id)


class DomainState(msgspec.Struct, frozen=True):
    """One domain of ours as the hypervisor has it."""

    server_id: str
    power_state: PowerState
    vcpus: int
    memory_mib: int


class HostCapacity(msgspec.Struct, kw_only=True, frozen=True):
    """What a host has in all, and what its hypervisor is; sizes in MiB and GiB."""

    vcpus: int
    memory_mib: int
    disk_gib: int
    free_disk_gib: int
    hypervisor_type: str
    hypervisor_version: int
    cpu_model: str = ""
    cpu_architecture: str = "x86_64"
    boot_id: str = ""


class DiskTraffic(msgspec.Struct, frozen=True):
    """What a disk has read and written since the server's start."""

    device: str
    read_bytes: int
    read_requests: int
    write_bytes: int
    write_requests: int
    errors: int


class NicTraffic(msgspec.Struct, frozen=True):
    """What a NIC has received and sent since the server's start, as the guest sees it; in the hypervisor's order."""

    device: str
    mac_address: str
    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_drop: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_drop: int


class Diagnostics(msgspec.Struct, kw_only=True, frozen=True):
    """What a running server has done since its start; `cpu_nanoseconds` for each of its processors."""

    hypervisor: str = ""
    cpu_nanoseconds: list[int] = []
    memory_maximum_mib: int = 0
    memory_used_mib: int = 0
    disks: list[DiskTraffic] = []
    nics: list[NicTraffic] = []


class OfferedFile(msgspec.Struct, kw_only=True, frozen=True):
    """A file of a server that another host may fetch; `name` is below the directory of instances' files (`_base/…` for a base image).

    A disk has a `virtual_size_bytes`, and in `backing` the name of the base image that it stands on, with its format.
    """

    name: str
    size_bytes: int
    virtual_size_bytes: int = 0
    backing: str = ""
    backing_format: str = ""


class DiskOffer(msgspec.Struct, kw_only=True, frozen=True):
    """Where another host of the cloud fetches a server's files, until the offer is withdrawn."""

    address: str
    port: int
    files: list[OfferedFile] = []


class MigrationPhase(enum.StrEnum):
    """NONE: no live migration is under way or remembered, and the server is here. MOVED: it is here no more."""

    NONE = "none"
    RUNNING = "running"
    MOVED = "moved"
    FAILED = "failed"


class MigrationProgress(msgspec.Struct, kw_only=True, frozen=True):
    """How far a live migration away from this host is; sizes in bytes."""

    phase: MigrationPhase
    error: str = ""
    memory_total_bytes: int = 0
    memory_processed_bytes: int = 0
    memory_remaining_bytes: int = 0
    disk_total_bytes: int = 0
    disk_processed_bytes: int = 0
    disk_remaining_bytes: int = 0


class DriverError(Exception):
    """An act failed: `code` is stable and for machines, the message says what, where, and what to do."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


class DomainNotFoundError(DriverError):
    """The host has no such server."""

    def __init__(self, server_id: str) -> None:
        super().__init__("domain_not_found", f"This host has no domain for server {server_id}; a hard reboot defines it again.")


class ComputeDriver(abc.ABC):
    """A host's hypervisor. Every act may be repeated: the second time finds it done and says nothing.

    Unless said otherwise an act on a server that is not there raises DomainNotFoundError, and any failure DriverError.
    """

    @abc.abstractmethod
    async def start(self) -> None:
        """Connect and make the directories; called once before anything else."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Let go of the hypervisor; servers keep running."""

    @abc.abstractmethod
    async def capacity(self) -> HostCapacity:
        """What the host has."""

    @abc.abstractmethod
    async def domains(self) -> list[DomainState]:
        """Every domain that is ours, in any state; those of others on the same hypervisor are left out."""

    @abc.abstractmethod
    async def holdings(self) -> list[str]:
        """Ids of the servers of which anything is here: a domain, or files only."""

    @abc.abstractmethod
    async def build(self, spec: ServerSpec, *, power_on: bool = True) -> None:
        """Make the disks that are missing, define the domain as `spec` says, start it. Also heals a half-made one."""

    @abc.abstractmethod
    async def destroy(self, server_id: str, *, keep_disks: bool = False) -> None:
        """Remove the domain, its disks, console log and all traces; fine if some or all of it never was."""

    @abc.abstractmethod
    async def power_on(self, server_id: str) -> None:
        """Start the domain."""

    @abc.abstractmethod
    async def power_off(self, server_id: str, *, timeout_seconds: float = 60) -> None:
        """Press the power button; after `timeout_seconds` pull the plug (0: at once)."""

    @abc.abstractmethod
    async def reboot(self, spec: ServerSpec, kind: RebootKind, *, timeout_seconds: float = 60) -> None:
        """Restart. A soft one the guest does not answer in time becomes a hard one, which defines the domain anew."""

    @abc.abstractmethod
    async def pause(self, server_id: str) -> None:
        """Freeze the guest in memory."""

    @abc.abstractmethod
    async def unpause(self, server_id: str) -> None:
        """Go on after pause."""

    @abc.abstractmethod
    async def suspend(self, server_id: str) -> None:
        """Save the guest's memory to disk and stop."""

    @abc.abstractmethod
    async def resume(self, server_id: str) -> None:
        """Go on after suspend."""

    @abc.abstractmethod
    async def console_output(self, server_id: str, *, line_count: int | None = None) -> str:
        """What the guest wrote to its serial console: the last lines, or all that is kept. Empty before the first boot."""

    @abc.abstractmethod
    async def diagnostics(self, server_id: str) -> Diagnostics:
        """What a running server has done; DriverError `not_running` for another."""

    @abc.abstractmethod
    async def attach_disk(self, server_id: str, disk: DiskSpec) -> None:
        """Plug a volume in, at once if it runs and for every later start."""

    @abc.abstractmethod
    async def detach_disk(self, server_id: str, volume_id: str) -> None:
        """Unplug a volume and return once the guest has let go; absent is fine, a missing domain too."""

    @abc.abstractmethod
    async def extend_disk(self, server_id: str, volume_id: str, size_gib: int) -> None:
        """Let the running guest see that a volume has grown; fine if it is off, for it sees so at its start. Absent is fine too."""

    @abc.abstractmethod
    async def attach_interface(self, server_id: str, interface: InterfaceSpec) -> None:
        """Plug a NIC in, at once if it runs and for every later start."""

    @abc.abstractmethod
    async def detach_interface(self, server_id: str, port_id: str, mac_address: str) -> None:
        """Unplug a NIC and return once the guest has let go; absent is fine, a missing domain too."""

    @abc.abstractmethod
    async def snapshot_root(self, server_id: str, path: str) -> None:
        """Write the root disk's contents now as one qcow2 file without a backing file."""

    @abc.abstractmethod
    async def resize(self, spec: ServerSpec, *, power_on: bool = True) -> None:
        """Stop, keep the old root disk aside, take on `spec`'s size and start; a second call changes nothing more."""

    @abc.abstractmethod
    async def confirm_resize(self, server_id: str) -> None:
        """Drop the root disk that resize kept; without one nothing happens."""

    @abc.abstractmethod
    async def revert_resize(self, spec: ServerSpec, *, power_on: bool = True) -> None:
        """Stop, put the kept root disk back, take on `spec`'s size and start."""

    @abc.abstractmethod
    async def offer_disks(self, server_id: str) -> DiskOffer:
        """Let other hosts of the cloud read the server's local files, and the base images they stand on; replaces an older offer."""

    @abc.abstractmethod
    async def withdraw_disks(self, server_id: str) -> None:
        """End the offer; fine where there is none."""

    @abc.abstractmethod
    async def receive_disks(self, spec: ServerSpec, offer: DiskOffer, *, copy: bool) -> None:
        """Make the files of an offer here, what is there already excepted; a root disk grows to the size that `spec` gives it.

        `copy` false makes disks of the right size without contents, which a live migration then fills.
        """

    @abc.abstractmethod
    async def start_migration(self, server_id: str, address: str) -> None:
        """Begin to move the running server with its local disks to the host at `address`, where its files were received.

        Returns once it is under way; a second call changes nothing. The server stays here, running, unless it ends well.
        """

    @abc.abstractmethod
    async def migration_progress(self, server_id: str) -> MigrationProgress:
        """How far it is, and how it ended."""

    @abc.abstractmethod
    async def abort_migration(self, server_id: str) -> None:
        """Call it off; it ends soon after, unless it has gone too far. Fine when none is under way."""

    @abc.abstractmethod
    async def force_migration(self, server_id: str) -> None:
        """Freeze the guest so that a live migration that cannot keep up comes to its end; it wakes at the destination."""


def domain_name(server_id: str) -> str:
    """The hypervisor's name of a server: OS-EXT-SRV-ATTR:instance_name."""
    return f"instance-{server_id}"


def plain_connection(connection: msgspec.Struct) -> dict[str, str]:
    """The volume service's Connection as a disk's spec carries it."""
    values = msgspec.to_builtins(connection)
    return {key: ",".join(value) if isinstance(value, list) else str(value) for key, value in values.items() if value is not None}
