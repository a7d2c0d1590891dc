"""What the driver says of a live migration, from what libvirt says of the domain."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from cloudd.compute.drivers.base import MigrationPhase

libvirt = pytest.importorskip("libvirt")

from cloudd.compute.drivers.libvirt.migration import LiveMigrations, local_disks  # noqa: E402

XML = """<domain type='kvm'><devices>
  <disk type='file' device='disk'><driver type='qcow2'/><target dev='vda'/></disk>
  <disk type='file' device='disk'><driver type='raw'/><target dev='vdb'/></disk>
  <disk type='network' device='disk'><driver type='raw'/><target dev='vdc'/></disk>
  <disk type='file' device='cdrom'><driver type='raw'/><target dev='sda'/></disk>
</devices></domain>"""


class Domain:
    """A virDomain that leaves when it is told to, or refuses."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.refuses = False
        self.asked: list[tuple[str, dict[str, Any], int]] = []

    def isActive(self) -> bool:  # noqa: N802  (libvirt's name)
        return True

    def XMLDesc(self, _flags: int) -> str:  # noqa: N802
        return XML

    def jobStats(self) -> dict[str, int]:  # noqa: N802
        return {"type": libvirt.VIR_DOMAIN_JOB_NONE}

    def migrateToURI3(self, uri: str, parameters: dict[str, Any], flags: int) -> None:  # noqa: N802
        self.asked.append((uri, parameters, flags))
        self.may_end.wait(5)
        if self.refuses:
            raise libvirt.libvirtError("called off")


class Connection:
    def __init__(self) -> None:
        self.here: Domain | None = Domain()

    def find(self, _server_id: str) -> Domain | None:
        return self.here

    domain = find


def ended(migrations: LiveMigrations) -> None:
    for job in migrations._jobs.values():
        job.exception(5)


def test_one_that_came_back_may_leave_again() -> None:
    connection = Connection()
    migrations = LiveMigrations(connection, "qemu+tls://{address}/system", tls=True)  # type: ignore[arg-type]
    domain = connection.here
    assert domain is not None
    for _ in range(2):
        assert migrations.progress("s").phase is MigrationPhase.NONE
        domain.may_end.clear()
        for _ in range(2):
            migrations.start("s", "10.0.0.2")
        assert migrations.progress("s").phase is MigrationPhase.RUNNING
        domain.may_end.set()
        ended(migrations)
        connection.here = None
        assert migrations.progress("s").phase is MigrationPhase.MOVED
        connection.here = domain
    assert len(domain.asked) == 2
    uri, parameters, flags = domain.asked[0]
    assert uri == "qemu+tls://10.0.0.2/system"
    assert parameters[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] == ["vda"]
    assert flags & libvirt.VIR_MIGRATE_TLS
    assert flags & libvirt.VIR_MIGRATE_LIVE
    assert not flags & libvirt.VIR_MIGRATE_POSTCOPY


def test_an_emulated_guest_stands_still_while_its_memory_travels(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection()
    migrations = LiveMigrations(connection, "qemu+tls://{address}/system", tls=True)  # type: ignore[arg-type]
    domain = connection.here
    assert domain is not None
    domain.may_end.set()
    monkeypatch.setattr(domain, "XMLDesc", lambda _flags: XML.replace("kvm", "qemu"))
    migrations.start("s", "10.0.0.2")
    ended(migrations)
    ((_, _, flags),) = domain.asked
    assert not flags & (libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_AUTO_CONVERGE)


def test_one_that_failed_is_told_and_may_be_tried_again() -> None:
    connection = Connection()
    migrations = LiveMigrations(connection, "qemu+tcp://{address}/system", tls=False)  # type: ignore[arg-type]
    domain = connection.here
    assert domain is not None
    domain.refuses = True
    domain.may_end.set()
    migrations.start("s", "fd00::2")
    ended(migrations)
    progress = migrations.progress("s")
    assert progress.phase is MigrationPhase.FAILED
    assert progress.error
    domain.refuses = False
    migrations.start("s", "fd00::2")
    ended(migrations)
    assert [uri for uri, _, _ in domain.asked] == ["qemu+tcp://[fd00::2]/system"] * 2


def test_only_local_disks_are_copied() -> None:
    assert local_disks(XML) == ["vda"]
