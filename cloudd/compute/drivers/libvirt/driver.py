"""The compute driver for every hypervisor that libvirt reaches."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import libvirt

from cloudd.compute.drivers.base import (
    ComputeDriver,
    Diagnostics,
    DiskOffer,
    DiskSpec,
    DomainState,
    DriverError,
    HostCapacity,
    InterfaceSpec,
    MigrationProgress,
    PowerState,
    RebootKind,
    ServerSpec,
)
from cloudd.compute.drivers.libvirt import console, diagnostics, hotplug, snapshot
from cloudd.compute.drivers.libvirt.connection import Connection
from cloudd.compute.drivers.libvirt.disk import DiskStore
from cloudd.compute.drivers.libvirt.disk_export import DiskExports
from cloudd.compute.drivers.libvirt.domain_xml import (
    HostFeatures,
    disk_element,
    domain_xml,
    find_disk,
    find_interface,
    interface_element,
    is_ours,
    parse,
)
from cloudd.compute.drivers.libvirt.migration import LiveMigrations
from cloudd.compute.drivers.libvirt.power import plug_out, shut_down
from cloudd.compute.drivers.libvirt.secret import forget_secret, secret_names, set_secrets
from cloudd.compute.drivers.libvirt.switch import Switches, forget_ports
from cloudd.compute.drivers.libvirt.transfer import make_offered, offered_files

_POWER_STATES = {
    libvirt.VIR_DOMAIN_RUNNING: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: PowerState.RUNNING,
    # The guest is shutting down but has not left yet.
    libvirt.VIR_DOMAIN_SHUTDOWN: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: PowerState.PAUSED,
    libvirt.VIR_DOMAIN_SHUTOFF: PowerState.SHUTOFF,
    libvirt.VIR_DOMAIN_CRASHED: PowerState.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: PowerState.SUSPENDED,
}
_UNDEFINE = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA


class LibvirtDriver(ComputeDriver):
    """`uri` chooses the hypervisor; `virt_type` is auto, kvm or qemu; `machine` pc or q35; `graphics` none or vnc.

    Other hosts reach this one at `address`, and this one theirs by `migration_uri`, with the certificates in
    `migration_tls_directory` (empty: without TLS).
    """

    def __init__(
        self,
        uri: str,
        directory: str,
        *,
        virt_type: str = "auto",
        machine: str = "pc",
        graphics: str = "none",
        cpu_mode: str = "auto",
        address: str = "",
        migration_uri: str = "qemu+tls://{address}/system",
        migration_tls_directory: str = "",
    ) -> None:
        self._connection = Connection(uri)
        self._disks = DiskStore(Path(directory))
        self._exports = DiskExports(address, migration_tls_directory)
        self._migrations = LiveMigrations(self._connection, migration_uri, tls=bool(migration_tls_directory))
        self._wanted = (virt_type, machine, graphics, cpu_mode)
        self._features = HostFeatures()
        # The targets whose passwords are here for a server that arrives or leaves: no domain will tell them once it has not come, or gone.
        self._passwords_of_movers: dict[str, list[str]] = {}

    async def start(self) -> None:
        await self._connection.run(self._disks.prepare)
        self._features = await self._connection.run(self._find_features)

    async def close(self) -> None:
        self._migrations.close()
        await self._connection.run(self._exports.close_all)
        await self._connection.close()

    def _find_features(self) -> HostFeatures:
        handle = self._connection.open()
        capabilities = parse(handle.getCapabilities())
        virt_type, machine, graphics, cpu_mode = self._wanted
        architecture = capabilities.findtext("host/cpu/arch") or os.uname().machine
        if handle.getType() == "TEST":
            return HostFeatures(domain_type="test", real=False)
        offered = {
            domain.get("type")
            for guest in capabilities.iterfind("guest")
            for domain in guest.iterfind(f"arch[@name='{architecture}']/domain")
        }
        if virt_type == "auto":
            virt_type = "kvm" if "kvm" in offered else "qemu"
        if virt_type not in offered:
            raise DriverError(
                "virt_type_missing",
                f"This host's libvirt offers {sorted(filter(None, offered))}, not {virt_type!r}; correct compute.virt_type.",
            )
        if cpu_mode == "auto":
            cpu_mode = "host-model" if virt_type == "kvm" else "custom"
        return HostFeatures(
            domain_type=virt_type,
            emulated_machine=machine,
            architecture=architecture,
            cpu_mode="" if cpu_mode == "none" else cpu_mode,
            # The oldest model with all of x86-64-v2, which today's distributions are built for.
            cpu_model="Nehalem" if cpu_mode == "custom" else "",
            graphics=graphics,
            may_offload=Switches().may_offload,
        )

    async def capacity(self) -> HostCapacity:
        return await self._connection.run(self._capacity)

    def _capacity(self) -> HostCapacity:
        handle = self._connection.open()
        model, memory_mib, vcpus, *_ = handle.getInfo()
        usage = shutil.disk_usage(self._disks.directory)
        return HostCapacity(
            vcpus=vcpus,
            memory_mib=memory_mib,
            disk_gib=usage.total >> 30,
            free_disk_gib=usage.free >> 30,
            hypervisor_type=handle.getType(),
            hypervisor_version=handle.getVersion(),
            cpu_model=model,
            cpu_architecture=self._features.architecture,
            boot_id=_boot_id(),
        )

    async def domains(self) -> list[DomainState]:
        return await self._connection.run(self._domains)

    def _domains(self) -> list[DomainState]:
        states = []
        for domain in self._connection.open().listAllDomains():
            # One that goes away while we look is as good as not there.
            with contextlib.suppress(libvirt.libvirtError):
                if is_ours(domain.XMLDesc(0)):
                    _, memory_kib, _, vcpus, _ = domain.info()
                    states.append(DomainState(domain.UUIDString(), _power_state(domain), vcpus, memory_kib >> 10))
        return states

    async def build(self, spec: ServerSpec, *, power_on: bool = True) -> None:
        await self._connection.run(self._build, spec, power_on)

    def _build(self, spec: ServerSpec, power_on: bool) -> None:
        domain = self._connection.find(spec.server_id)
        if domain is None or not domain.isActive():
            self._disks.make(spec)
            domain = self._define(spec)
        if power_on and not domain.isActive():
            domain.create()

    def _define(self, spec: ServerSpec) -> Any:
        set_secrets(self._connection.open(), spec.disks)
        domain = self._connection.open().defineXML(domain_xml(spec, self._features, self._disks.files(spec.server_id)))
        # Only the control plane knows whether a server still belongs here when the host boots.
        if domain.autostart():
            domain.setAutostart(0)
        return domain

    async def destroy(self, server_id: str, *, keep_disks: bool = False) -> None:
        await self._connection.run(self._destroy, server_id, keep_disks)

    def _destroy(self, server_id: str, keep_disks: bool) -> None:
        domain, passwords = self._connection.find(server_id), self._passwords_of_movers.pop(server_id, [])
        if domain is not None:
            passwords = secret_names(parse(domain.XMLDesc(0)))
            plug_out(domain)
            with contextlib.suppress(libvirt.libvirtError):
                domain.undefineFlags(_UNDEFINE)
            if self._connection.find(server_id) is not None:
                self._connection.domain(server_id).undefine()
        for name in passwords:
            forget_secret(self._connection.open(), name)
        if self._features.real:
            forget_ports(server_id)
        if not keep_disks:
            self._exports.close(server_id)
            self._disks.remove(server_id)

    async def power_on(self, server_id: str) -> None:
        await self._connection.run(self._power_on, server_id)

    def _power_on(self, server_id: str) -> None:
        domain = self._connection.domain(server_id)
        if not domain.isActive():
            domain.create()

    async def power_off(self, server_id: str, *, timeout_seconds: float = 60) -> None:
        await self._connection.run(self._power_off, server_id, timeout_seconds)

    def _power_off(self, server_id: str, timeout_seconds: float) -> None:
        domain = self._connection.domain(server_id)
        if not shut_down(domain, timeout_seconds):
            plug_out(domain)
        if domain.hasManagedSaveImage():
            domain.managedSaveRemove()

    async def reboot(self, spec: ServerSpec, kind: RebootKind, *, timeout_seconds: float = 60) -> None:
        await self._connection.run(self._reboot, spec, kind, timeout_seconds)

    def _reboot(self, spec: ServerSpec, kind: RebootKind, timeout_seconds: float) -> None:
        domain = self._connection.find(spec.server_id)
        if domain is not None:
            if kind is RebootKind.SOFT and _power_state(domain) is PowerState.RUNNING and shut_down(domain, timeout_seconds):
                domain.create()
                return
            plug_out(domain)
            if domain.hasManagedSaveImage():
                domain.managedSaveRemove()
        self._build(spec, True)

    async def pause(self, server_id: str) -> None:
        await self._connection.run(self._change, server_id, PowerState.RUNNING, "suspend")

    async def unpause(self, server_id: str) -> None:
        await self._connection.run(self._change, server_id, PowerState.PAUSED, "resume")

    async def suspend(self, server_id: str) -> None:
        await self._connection.run(self._change, server_id, PowerState.RUNNING, "managedSave")

    async def resume(self, server_id: str) -> None:
        await self._connection.run(self._change, server_id, PowerState.SUSPENDED, "create")

    def _change(self, server_id: str, before: PowerState, act: str) -> None:
        domain = self._connection.domain(server_id)
        if _power_state(domain) is before:
            getattr(domain, act)()

    async def console_output(self, server_id: str, *, line_count: int | None = None) -> str:
        return await self._connection.run(self._console_output, server_id, line_count)

    def _console_output(self, server_id: str, line_count: int | None) -> str:
        self._connection.domain(server_id)
        return console.tail(self._disks.files(server_id).console_log, line_count)

    async def diagnostics(self, server_id: str) -> Diagnostics:
        return await self._connection.run(self._diagnostics, server_id)

    def _diagnostics(self, server_id: str) -> Diagnostics:
        domain = self._connection.domain(server_id)
        if not domain.isActive():
            raise DriverError("not_running", f"Server {server_id} does not run.")
        return diagnostics.read(domain)

    async def attach_disk(self, server_id: str, disk: DiskSpec) -> None:
        await self._connection.run(self._attach_disk, server_id, disk)

    def _attach_disk(self, server_id: str, disk: DiskSpec) -> None:
        domain = self._connection.domain(server_id)
        if find_disk(domain.XMLDesc(0), disk.volume_id) is None:
            set_secrets(self._connection.open(), [disk])
            hotplug.attach(domain, disk_element(disk, self._disks.files(server_id)))

    async def detach_disk(self, server_id: str, volume_id: str) -> None:
        await self._connection.run(self._detach_disk, server_id, volume_id)

    def _detach_disk(self, server_id: str, volume_id: str) -> None:
        if (domain := self._connection.find(server_id)) is not None:
            present = find_disk(domain.XMLDesc(0), volume_id)
            hotplug.detach(domain, lambda xml: find_disk(xml, volume_id), f"volume {volume_id}")
            for name in secret_names(present) if present is not None else []:
                forget_secret(self._connection.open(), name)

    async def extend_disk(self, server_id: str, volume_id: str, size_gib: int) -> None:
        await self._connection.run(self._extend_disk, server_id, volume_id, size_gib)

    def _extend_disk(self, server_id: str, volume_id: str, size_gib: int) -> None:
        domain = self._connection.find(server_id)
        if domain is not None and domain.isActive():
            hotplug.grow(domain, find_disk(domain.XMLDesc(0), volume_id), size_gib << 30)

    async def attach_interface(self, server_id: str, interface: InterfaceSpec) -> None:
        await self._connection.run(self._attach_interface, server_id, interface)

    def _attach_interface(self, server_id: str, interface: InterfaceSpec) -> None:
        domain = self._connection.domain(server_id)
        if find_interface(domain.XMLDesc(0), interface.port_id, interface.mac_address) is None:
            hotplug.attach(domain, interface_element(interface, self._features))

    async def detach_interface(self, server_id: str, port_id: str, mac_address: str) -> None:
        await self._connection.run(self._detach_interface, server_id, port_id, mac_address)

    def _detach_interface(self, server_id: str, port_id: str, mac_address: str) -> None:
        if (domain := self._connection.find(server_id)) is not None:
            hotplug.detach(domain, lambda xml: find_interface(xml, port_id, mac_address), f"port {port_id}")

    async def snapshot_root(self, server_id: str, path: str) -> None:
        await self._connection.run(self._snapshot_root, server_id, path)

    def _snapshot_root(self, server_id: str, path: str) -> None:
        snapshot.copy_root(self._connection.domain(server_id), self._disks.files(server_id).disk("root"), Path(path))

    async def resize(self, spec: ServerSpec, *, power_on: bool = True) -> None:
        await self._connection.run(self._resize, spec, power_on)

    def _resize(self, spec: ServerSpec, power_on: bool) -> None:
        domain = self._connection.domain(spec.server_id)
        if self._disks.has_shelved_root(spec.server_id) and domain.isActive() and _has_size(domain, spec):
            return
        plug_out(domain, shutdown_seconds=30)
        self._disks.shelve_root(spec.server_id)
        for disk in spec.disks:
            if disk.name == "root":
                self._disks.grow_root(spec.server_id, disk.size_gib)
        self._build(spec, power_on)

    async def confirm_resize(self, server_id: str) -> None:
        await self._connection.run(self._disks.drop_shelved_root, server_id)

    async def revert_resize(self, spec: ServerSpec, *, power_on: bool = True) -> None:
        await self._connection.run(self._revert_resize, spec, power_on)

    def _revert_resize(self, spec: ServerSpec, power_on: bool) -> None:
        plug_out(self._connection.domain(spec.server_id))
        self._disks.unshelve_root(spec.server_id)
        self._build(spec, power_on)

    async def holdings(self) -> list[str]:
        return await self._connection.run(self._holdings)

    def _holdings(self) -> list[str]:
        return sorted({*self._disks.server_ids(), *(state.server_id for state in self._domains())})

    async def offer_disks(self, server_id: str) -> DiskOffer:
        return await self._connection.run(self._offer_disks, server_id)

    def _offer_disks(self, server_id: str) -> DiskOffer:
        files = offered_files(self._disks, server_id)
        port = self._exports.open(server_id, {file.name: self._disks.offered_path(server_id, file.name) for file in files})
        return DiskOffer(address=self._exports.address, port=port, files=files)

    async def withdraw_disks(self, server_id: str) -> None:
        await self._connection.run(self._exports.close, server_id)

    async def receive_disks(self, spec: ServerSpec, offer: DiskOffer, *, copy: bool) -> None:
        await self._connection.run(self._receive_disks, spec, offer, copy)

    def _receive_disks(self, spec: ServerSpec, offer: DiskOffer, copy: bool) -> None:
        if self._connection.find(spec.server_id) is not None:
            raise DriverError("already_here", f"Server {spec.server_id} is on this host already; its disks are not replaced.")
        make_offered(self._disks, self._exports, spec, offer, copy=copy)
        self._passwords_of_movers[spec.server_id] = set_secrets(self._connection.open(), spec.disks)

    async def start_migration(self, server_id: str, address: str) -> None:
        await self._connection.run(self._start_migration, server_id, address)

    def _start_migration(self, server_id: str, address: str) -> None:
        self._passwords_of_movers[server_id] = secret_names(parse(self._connection.domain(server_id).XMLDesc(0)))
        self._migrations.start(server_id, address)

    async def migration_progress(self, server_id: str) -> MigrationProgress:
        return await self._connection.run(self._migrations.progress, server_id)

    async def abort_migration(self, server_id: str) -> None:
        await self._connection.run(self._migrations.abort, server_id)

    async def force_migration(self, server_id: str) -> None:
        await self._connection.run(self._migrations.force, server_id)


def _boot_id() -> str:
    """Another one after every reboot: the kernel's, and when the first process began, for a container shares its host's kernel."""
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    # The 22nd field; the second is the program's name in parentheses, which may hold anything.
    began = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    return f"{kernel}-{began}"


def _power_state(domain: Any) -> PowerState:
    state = _POWER_STATES.get(domain.state()[0], PowerState.UNKNOWN)
    return PowerState.SUSPENDED if state is PowerState.SHUTOFF and domain.hasManagedSaveImage() else state


def _has_size(domain: Any, spec: ServerSpec) -> bool:
    _, memory_kib, _, vcpus, _ = domain.info()
    return bool(memory_kib >> 10 == spec.memory_mib and vcpus == spec.vcpus)
