"""A hypervisor in memory, of the same shape as the real ones: for tests and for trials with thousands of servers."""

import asyncio
import struct
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from cloudd.compute.drivers.base import (
    ComputeDriver,
    Diagnostics,
    DiskOffer,
    DiskSpec,
    DiskTraffic,
    DomainNotFoundError,
    DomainState,
    DriverError,
    HostCapacity,
    InterfaceSpec,
    MigrationPhase,
    MigrationProgress,
    NicTraffic,
    OfferedFile,
    PowerState,
    RebootKind,
    ServerSpec,
)


@dataclass
class FakeDomain:
    """A server as the fake keeps it; public so that tests can look in and cause accidents."""

    spec: ServerSpec
    power_state: PowerState = PowerState.SHUTOFF
    console: list[str] = field(default_factory=list)
    boots: int = 0
    before_resize: ServerSpec | None = None

    @property
    def volumes(self) -> list[str]:
        """Ids of the volumes plugged in."""
        return [disk.volume_id for disk in self.spec.disks if disk.volume_id]

    @property
    def ports(self) -> list[str]:
        """Ids of the ports plugged in."""
        return [interface.port_id for interface in self.spec.interfaces]


class FakeDriver(ComputeDriver):
    """Keeps domains in a dict. `latency_seconds` is spent in every act that changes something.

    Fakes with the same `rack` (address → driver) are hosts of one cloud: servers can move between them.
    """

    def __init__(
        self,
        *,
        vcpus: int = 4096,
        memory_mib: int = 8 << 20,
        disk_gib: int = 1 << 20,
        latency_seconds: float = 0.0,
        address: str = "",
        rack: "dict[str, FakeDriver] | None" = None,
    ) -> None:
        self.domain_by_id: dict[str, FakeDomain] = {}
        #: ids of the servers whose local files are here
        self.disks: set[str] = set()
        self.offers: set[str] = set()
        #: server id → address it is on its way to
        self.leaving: dict[str, str] = {}
        self.failed_moves: dict[str, str] = {}
        #: True: live migrations go on until they are aborted, forced, or this is False again
        self.holds_migrations = False
        self.address = address
        self.rack = {} if rack is None else rack
        self.rack[address] = self
        self.latency_seconds = latency_seconds
        self.boot_id = "fake-boot"
        self.failures: dict[str, DriverError] = {}
        self._total = (vcpus, memory_mib, disk_gib)

    def fail_next(self, act: str, error: DriverError) -> None:
        """The next call of the method named `act` raises `error`, then all is well again."""
        self.failures[act] = error

    def reboot_host(self) -> None:
        """What a power cut does: every domain stands still and the boot id is new."""
        self.boot_id += "+"
        for domain in self.domain_by_id.values():
            domain.power_state = PowerState.SHUTOFF

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def capacity(self) -> HostCapacity:
        vcpus, memory_mib, disk_gib = self._total
        used = sum(disk.size_gib for d in self.domain_by_id.values() for disk in d.spec.disks if not disk.volume_id)
        return HostCapacity(
            vcpus=vcpus,
            memory_mib=memory_mib,
            disk_gib=disk_gib,
            free_disk_gib=disk_gib - used,
            hypervisor_type="fake",
            hypervisor_version=1000,
            boot_id=self.boot_id,
        )

    async def domains(self) -> list[DomainState]:
        return [DomainState(i, d.power_state, d.spec.vcpus, d.spec.memory_mib) for i, d in self.domain_by_id.items()]

    async def holdings(self) -> list[str]:
        return sorted({*self.domain_by_id, *self.disks})

    async def build(self, spec: ServerSpec, *, power_on: bool = True) -> None:
        await self._act("build")
        domain = self.domain_by_id.get(spec.server_id)
        if domain is None:
            if spec.disks_must_exist and spec.server_id not in self.disks and any(not disk.volume_id for disk in spec.disks):
                raise DriverError("root_disk_missing", f"The root disk of server {spec.server_id} is not on this host.")
            domain = self.domain_by_id[spec.server_id] = FakeDomain(spec)
        self.disks.add(spec.server_id)
        if domain.power_state is PowerState.SHUTOFF:
            domain.spec = spec
            if power_on:
                self._boot(domain)

    async def destroy(self, server_id: str, *, keep_disks: bool = False) -> None:
        await self._act("destroy")
        self.domain_by_id.pop(server_id, None)
        if not keep_disks:
            self.disks.discard(server_id)
            self.offers.discard(server_id)

    async def power_on(self, server_id: str) -> None:
        await self._act("power_on")
        domain = self._domain(server_id)
        if domain.power_state in (PowerState.SHUTOFF, PowerState.CRASHED):
            self._boot(domain)

    async def power_off(self, server_id: str, *, timeout_seconds: float = 60) -> None:
        await self._act("power_off")
        self._domain(server_id).power_state = PowerState.SHUTOFF

    async def reboot(self, spec: ServerSpec, kind: RebootKind, *, timeout_seconds: float = 60) -> None:
        await self._act("reboot")
        domain = self.domain_by_id.setdefault(spec.server_id, FakeDomain(spec))
        self.disks.add(spec.server_id)
        if kind is RebootKind.HARD:
            domain.spec = spec
        self._boot(domain)

    async def pause(self, server_id: str) -> None:
        await self._change("pause", server_id, PowerState.RUNNING, PowerState.PAUSED)

    async def unpause(self, server_id: str) -> None:
        await self._change("unpause", server_id, PowerState.PAUSED, PowerState.RUNNING)

    async def suspend(self, server_id: str) -> None:
        await self._change("suspend", server_id, PowerState.RUNNING, PowerState.SUSPENDED)

    async def resume(self, server_id: str) -> None:
        await self._change("resume", server_id, PowerState.SUSPENDED, PowerState.RUNNING)

    async def console_output(self, server_id: str, *, line_count: int | None = None) -> str:
        lines = self._domain(server_id).console
        if line_count is not None:
            lines = lines[-line_count:] if line_count > 0 else []
        return "".join(f"{line}\n" for line in lines)

    async def diagnostics(self, server_id: str) -> Diagnostics:
        domain = self._domain(server_id)
        if domain.power_state is not PowerState.RUNNING:
            raise DriverError("not_running", f"Server {server_id} does not run.")
        spec = domain.spec
        return Diagnostics(
            hypervisor="fake",
            cpu_nanoseconds=[1_000_000_000 * domain.boots] * spec.vcpus,
            memory_maximum_mib=spec.memory_mib,
            memory_used_mib=spec.memory_mib,
            disks=[DiskTraffic(disk.device, 1 << 20, 256, 0, 0, 0) for disk in spec.disks],
            nics=[NicTraffic(nic.device, nic.mac_address, 1500, 1, 0, 0, 1500, 1, 0, 0) for nic in spec.interfaces],
        )

    async def attach_disk(self, server_id: str, disk: DiskSpec) -> None:
        await self._act("attach_disk")
        domain = self._domain(server_id)
        if disk.volume_id not in domain.volumes:
            domain.spec = _with(domain.spec, disks=[*domain.spec.disks, disk])

    async def detach_disk(self, server_id: str, volume_id: str) -> None:
        await self._act("detach_disk")
        if domain := self.domain_by_id.get(server_id):
            domain.spec = _with(domain.spec, disks=[d for d in domain.spec.disks if d.volume_id != volume_id])

    async def extend_disk(self, server_id: str, volume_id: str, size_gib: int) -> None:
        await self._act("extend_disk")
        if domain := self.domain_by_id.get(server_id):
            disks = [msgspec.structs.replace(d, size_gib=size_gib) if d.volume_id == volume_id else d for d in domain.spec.disks]
            domain.spec = _with(domain.spec, disks=disks)

    async def attach_interface(self, server_id: str, interface: InterfaceSpec) -> None:
        await self._act("attach_interface")
        domain = self._domain(server_id)
        if interface.port_id not in domain.ports:
            domain.spec = _with(domain.spec, interfaces=[*domain.spec.interfaces, interface])

    async def detach_interface(self, server_id: str, port_id: str, mac_address: str) -> None:
        await self._act("detach_interface")
        if domain := self.domain_by_id.get(server_id):
            domain.spec = _with(domain.spec, interfaces=[i for i in domain.spec.interfaces if i.port_id != port_id])

    async def snapshot_root(self, server_id: str, path: str) -> None:
        await self._act("snapshot_root")
        self._domain(server_id)
        # A qcow2 header and nothing more: enough for every reader that looks before it believes.
        await asyncio.to_thread(Path(path).write_bytes, _EMPTY_QCOW2)

    async def resize(self, spec: ServerSpec, *, power_on: bool = True) -> None:
        await self._act("resize")
        domain = self._domain(spec.server_id)
        if domain.before_resize is None:
            domain.before_resize = domain.spec
        self._set_size(domain, spec, power_on=power_on)

    async def confirm_resize(self, server_id: str) -> None:
        await self._act("confirm_resize")
        self._domain(server_id).before_resize = None

    async def revert_resize(self, spec: ServerSpec, *, power_on: bool = True) -> None:
        await self._act("revert_resize")
        domain = self._domain(spec.server_id)
        domain.before_resize = None
        self._set_size(domain, spec, power_on=power_on)

    async def offer_disks(self, server_id: str) -> DiskOffer:
        await self._act("offer_disks")
        if server_id not in self.disks:
            raise DriverError("root_disk_missing", f"No disk of server {server_id} is on this host.")
        self.offers.add(server_id)
        return DiskOffer(address=self.address, port=1, files=[OfferedFile(name="root.qcow2", size_bytes=1, virtual_size_bytes=1)])

    async def withdraw_disks(self, server_id: str) -> None:
        await self._act("withdraw_disks")
        self.offers.discard(server_id)

    async def receive_disks(self, spec: ServerSpec, offer: DiskOffer, *, copy: bool) -> None:
        await self._act("receive_disks")
        source = self.rack.get(offer.address)
        if source is None or spec.server_id not in source.offers:
            raise DriverError("offer_gone", f"Host {offer.address} does not offer the disks of server {spec.server_id}.", retryable=True)
        self.disks.add(spec.server_id)

    async def start_migration(self, server_id: str, address: str) -> None:
        await self._act("start_migration")
        if self._domain(server_id).power_state not in (PowerState.RUNNING, PowerState.PAUSED):
            raise DriverError("not_running", f"Server {server_id} does not run; migrate it cold.")
        target = self.rack.get(address)
        if target is None or server_id not in target.disks:
            raise DriverError("not_received", f"Host {address} is not prepared for server {server_id}.")
        self.failed_moves.pop(server_id, None)
        self.leaving[server_id] = address

    async def migration_progress(self, server_id: str) -> MigrationProgress:
        await self._act("migration_progress")
        if server_id in self.leaving and not self.holds_migrations:
            self._move(server_id)
        if server_id in self.leaving:
            return MigrationProgress(phase=MigrationPhase.RUNNING, memory_total_bytes=100, memory_remaining_bytes=60)
        if server_id in self.failed_moves:
            return MigrationProgress(phase=MigrationPhase.FAILED, error=self.failed_moves[server_id])
        return MigrationProgress(phase=MigrationPhase.NONE if server_id in self.domain_by_id else MigrationPhase.MOVED)

    async def abort_migration(self, server_id: str) -> None:
        await self._act("abort_migration")
        if self.leaving.pop(server_id, None):
            self.failed_moves[server_id] = "The migration was called off."

    async def force_migration(self, server_id: str) -> None:
        await self._act("force_migration")
        if server_id in self.leaving:
            self._move(server_id)

    def _move(self, server_id: str) -> None:
        self.rack[self.leaving.pop(server_id)].domain_by_id[server_id] = self.domain_by_id.pop(server_id)

    def _set_size(self, domain: FakeDomain, spec: ServerSpec, *, power_on: bool) -> None:
        domain.spec = spec
        domain.power_state = PowerState.SHUTOFF
        if power_on:
            self._boot(domain)

    async def _act(self, name: str) -> None:
        await asyncio.sleep(self.latency_seconds)
        if error := self.failures.pop(name, None):
            raise error

    async def _change(self, act: str, server_id: str, before: PowerState, after: PowerState) -> None:
        await self._act(act)
        domain = self._domain(server_id)
        if domain.power_state is before:
            domain.power_state = after

    def _boot(self, domain: FakeDomain) -> None:
        domain.power_state = PowerState.RUNNING
        domain.boots += 1
        domain.console += [f"fake boot {domain.boots} of {domain.spec.name}", "login:"]
        del domain.console[:-1000]

    def _domain(self, server_id: str) -> FakeDomain:
        try:
            return self.domain_by_id[server_id]
        except KeyError:
            raise DomainNotFoundError(server_id) from None


def _with(spec: ServerSpec, **changes: object) -> ServerSpec:
    values = {name: getattr(spec, name) for name in spec.__struct_fields__}
    return ServerSpec(**(values | changes))


# The version 2 header of an image of 1 GiB with 64 KiB clusters, then its refcount table, refcounts and mapping, a cluster each.
_EMPTY_QCOW2 = (
    struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, 1 << 30, 0, 2, 0x30000, 0x10000, 1, 0, 0).ljust(0x10000, b"\0")
    + struct.pack(">Q", 0x20000).ljust(0x10000, b"\0")
    + struct.pack(">4H", 1, 1, 1, 1).ljust(0x10000, b"\0")
    + bytes(0x10000)
)
