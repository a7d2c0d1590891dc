"""The hosts that keep volumes: who lives, and who takes the next one."""

from datetime import timedelta

import msgspec

from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.errors import NotFound
from cloudd.kit.service import Cloud
from cloudd.volume.drivers.base import GIB
from cloudd.volume.errors import NoHost
from cloudd.volume.messages import Heartbeat
from cloudd.volume.settings import VolumeSettings
from cloudd.volume.store.host import Host, HostStore
from cloudd.volume.store.snapshot import SnapshotStore
from cloudd.volume.store.volume import VolumeStore

ALIVE = timedelta(seconds=60)
#: sparse volumes are promised beyond what is there, as far as this
OVERSUBSCRIPTION = 20


def is_alive(host: Host) -> bool:
    return host.updated_at > now() - ALIVE


class Share(msgspec.Struct):
    """A project's part of a host; without a project the whole."""

    project_id: str | None = None
    volumes: int = 0
    volume_gib: int = 0
    snapshots: int = 0
    snapshot_gib: int = 0


class Hosts:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.store = HostStore()
        self.volumes = VolumeStore()
        self.snapshots = SnapshotStore()

    async def report(self, beat: Heartbeat) -> None:
        """Take an agent's heartbeat."""
        facts = {
            "driver": beat.driver, "availability_zone": beat.availability_zone, "total_bytes": beat.total_bytes,
            "free_bytes": beat.free_bytes, "updated_at": now(),
        }  # fmt: skip
        async with self.db.write() as tx:
            if not await self.store.update(tx, beat.host, **facts):
                await self.store.insert(tx, Host(id=beat.host, **facts))  # type: ignore[arg-type]

    async def all(self) -> list[Host]:
        async with self.db.read() as tx:
            return await self.store.find(tx, order=self.store.table.c.id)

    async def zones(self) -> dict[str, bool]:
        """Availability zones, and whether one of their hosts takes volumes."""
        found = {self.cloud.settings.section(VolumeSettings).availability_zone: False}
        for host in await self.all():
            found[host.availability_zone] = found.get(host.availability_zone, False) or (is_alive(host) and not host.disabled)
        return found

    async def set_disabled(self, name: str, *, disabled: bool, reason: str | None = None) -> Host:
        async with self.db.write() as tx:
            if not await self.store.update(tx, name, disabled=disabled, disabled_reason=reason if disabled else None):
                raise NotFound(what=f"Volume host {name}")
            host = await self.store.get(tx, name)
        assert host is not None
        return host

    async def choose(self, size_gib: int, availability_zone: str) -> Host:
        """The living host with the most room that is not promised yet. NoHost, worth another try."""
        async with self.db.read() as tx:
            alive = [
                host
                for host in await self.store.find(tx, self.store.table.c.availability_zone == availability_zone)
                if is_alive(host) and not host.disabled and host.free_bytes > 0
            ]
            rooms = [(await self._room(tx, host), host.id, host) for host in alive]
        fitting = [entry for entry in rooms if entry[0] >= size_gib * GIB]
        if not fitting:
            raise NoHost
        return max(fitting, key=lambda entry: entry[:2])[2]

    async def _room(self, tx: Transaction, host: Host) -> int:
        _, promised_gib = await self.volumes.usage(tx, self.volumes.table.c.host == host.id)
        return host.total_bytes * OVERSUBSCRIPTION - promised_gib * GIB

    async def shares(self, name: str) -> list[Share]:
        """What a host keeps: all of it first, then each project's part. NotFound."""
        async with self.db.read() as tx:
            if await self.store.get(tx, name) is None:
                raise NotFound(what=f"Volume host {name}")
            kept = await self.volumes.find(tx, self.volumes.table.c.host == name)
            ids = [volume.id for volume in kept]
            snapshots = await self.snapshots.find(tx, self.snapshots.table.c.volume_id.in_(ids)) if ids else []
        shares = [Share()] + [Share(project_id) for project_id in sorted({volume.project_id for volume in kept})]
        for share in shares:
            mine = [volume for volume in kept if share.project_id in (None, volume.project_id)]
            taken = [snapshot for snapshot in snapshots if share.project_id in (None, snapshot.project_id)]
            share.volumes, share.volume_gib = len(mine), sum(volume.size for volume in mine)
            share.snapshots, share.snapshot_gib = len(taken), sum(snapshot.size for snapshot in taken)
        return shares
