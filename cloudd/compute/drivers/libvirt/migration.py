"""Live migration: the hypervisor of this host and another's move a running guest between them, its local disks included."""

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import libvirt
import msgspec

from cloudd.compute.drivers.base import DriverError, MigrationPhase, MigrationProgress
from cloudd.compute.drivers.libvirt.connection import Connection, translated
from cloudd.compute.drivers.libvirt.domain_xml import parse

_MOST_AT_ONCE = 8
_WHICH = ("total", "processed", "remaining")
_OUTGOING = libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT
# The hypervisors speak to each other directly, so that a restart of this process does not end a migration. A guest that writes
# faster than the wire carries is slowed down; it never runs ahead of its memory (no post-copy), so a failure leaves it whole here.
_FLAGS = (
    libvirt.VIR_MIGRATE_PEER2PEER
    | libvirt.VIR_MIGRATE_PERSIST_DEST
    | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
    | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
)
# QEMU's emulation of processors may miss a page that the guest writes while it is being sent; such a guest crashes where it arrives. So
# an emulated one stands still while its memory travels, after its disks have been copied.
_WHILE_IT_RUNS = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_AUTO_CONVERGE


class LiveMigrations:
    """Migrations away from this host. `uri` holds {address}; calls block, for use on a thread of the connection."""

    def __init__(self, connection: Connection, uri: str, *, tls: bool) -> None:
        self._connection = connection
        self._uri = uri
        self._tls = tls
        self._jobs: dict[str, Future[None]] = {}
        self._pool = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="migration")

    def start(self, server_id: str, address: str) -> None:
        """Begin; a second call while it is under way changes nothing."""
        domain = self._connection.domain(server_id)
        job = self._jobs.get(server_id)
        if (job is not None and not job.done()) or _is_leaving(domain):
            return
        if not domain.isActive():
            raise DriverError("not_running", f"Server {server_id} does not run; migrate it cold.")
        self._jobs[server_id] = self._pool.submit(self._run, domain, address)

    def _run(self, domain: Any, address: str) -> None:
        xml = domain.XMLDesc(0)
        disks = local_disks(xml)
        flags = _FLAGS | (libvirt.VIR_MIGRATE_NON_SHARED_INC if disks else 0) | (libvirt.VIR_MIGRATE_TLS if self._tls else 0)
        if parse(xml).get("type") != "qemu":
            flags |= _WHILE_IT_RUNS
        parameters: dict[str, Any] = {
            libvirt.VIR_MIGRATE_PARAM_URI: f"tcp://{_bracketed(address)}",
            libvirt.VIR_MIGRATE_PARAM_LISTEN_ADDRESS: address,
        }
        if disks:
            parameters[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = disks
        if self._tls:
            parameters[libvirt.VIR_MIGRATE_PARAM_TLS_DESTINATION] = address
        try:
            domain.migrateToURI3(self._uri.format(address=_bracketed(address)), parameters, flags)
        except libvirt.libvirtError as error:
            raise translated(error) from error

    def progress(self, server_id: str) -> MigrationProgress:
        """How far it is, and how it ended."""
        domain, job = self._connection.find(server_id), self._jobs.get(server_id)
        if domain is None:
            # What is still being wound up here has already arrived there.
            return MigrationProgress(phase=MigrationPhase.MOVED)
        if (job is not None and not job.done()) or (job is None and _is_leaving(domain)):
            return _running(domain)
        error = job.exception() if job is not None else None
        # One that went well ended with the domain gone: this one has come back since.
        return MigrationProgress(phase=MigrationPhase.FAILED if error else MigrationPhase.NONE, error=str(error or ""))

    def abort(self, server_id: str) -> None:
        """Call it off."""
        # It may end, and the domain be gone, in this very moment.
        with contextlib.suppress(libvirt.libvirtError):
            domain = self._connection.find(server_id)
            if domain is not None and _is_leaving(domain):
                domain.abortJob()

    def force(self, server_id: str) -> None:
        """Freeze the guest; the hypervisor wakes it where it arrives."""
        with contextlib.suppress(libvirt.libvirtError):
            domain = self._connection.find(server_id)
            if domain is not None and _is_leaving(domain) and domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING:
                domain.suspend()

    def close(self) -> None:
        """Wait for nobody: the hypervisors go on by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def local_disks(xml: str) -> list[str]:
    """The devices (vda …) whose contents are files of this host: those that must be copied."""
    found = []
    for disk in parse(xml).iterfind("devices/disk[@device='disk']"):
        target, driver = disk.find("target"), disk.find("driver")
        # A volume is reached from both hosts; only a server's own disks are qcow2 files.
        if disk.get("type") == "file" and driver is not None and driver.get("type") == "qcow2" and target is not None:
            found.append(target.get("dev") or "")
    return found


def _is_leaving(domain: Any) -> bool:
    try:
        stats = domain.jobStats()
    except libvirt.libvirtError:
        return False
    return bool(stats.get("type", 0) != libvirt.VIR_DOMAIN_JOB_NONE and stats.get("operation", _OUTGOING) == _OUTGOING)


def _running(domain: Any) -> MigrationProgress:
    try:
        stats = domain.jobStats()
    except libvirt.libvirtError:
        stats = {}
    sizes = {f"{kind}_{which}_bytes": int(stats.get(f"{kind}_{which}", 0)) for kind in ("memory", "disk") for which in _WHICH}
    return msgspec.convert({"phase": "running", **sizes}, MigrationProgress)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
