"""Compares the volume rows with what the hosts keep, and says what was lost."""

import logging

from cloudd.kit.errors import Condition
from cloudd.kit.service import Cloud
from cloudd.volume.domain.host import Hosts, is_alive
from cloudd.volume.domain.progress import Progress
from cloudd.volume.messages import Holdings, ListHoldings
from cloudd.volume.store.snapshot import Snapshot
from cloudd.volume.store.volume import Volume

log = logging.getLogger(__name__)


class Healing:
    """Nothing is deleted here: data without a row may be all that is left after a database came back from a backup."""

    def __init__(self, cloud: Cloud, hosts: Hosts, progress: Progress) -> None:
        self.cloud = cloud
        self.hosts = hosts
        self.progress = progress

    async def heal(self) -> None:
        for host in await self.hosts.all():
            if is_alive(host):
                try:
                    await self._heal_host(host.id)
                except Condition as condition:
                    log.warning("volume host %s was not compared: %s", host.id, condition.text)

    async def _heal_host(self, host: str) -> None:
        volumes, snapshots = self.progress.volumes, self.progress.snapshots
        async with self.cloud.db.read() as tx:
            before = await volumes.find(tx, volumes.table.c.host == host)
            taken = await snapshots.find(tx, snapshots.table.c.volume_id.in_([volume.id for volume in before])) if before else []
        held: Holdings = await self.progress.ask(host, ListHoldings())
        for volume in before:
            if volume.status in ("available", "in-use", "reserved") and volume.id not in held.volumes:
                await self._lost_volume(volume)
        for snapshot in taken:
            if snapshot.status == "available" and snapshot.id not in held.snapshots:
                await self._lost_snapshot(snapshot, host)
        async with self.cloud.db.read() as tx:
            known = {volume.id for volume in await volumes.find(tx)} | {snapshot.id for snapshot in await snapshots.find(tx)}
        for orphan in sorted({*held.volumes, *held.snapshots} - known):
            log.warning("host %s keeps the data of %s, of which there is no record; remove it if nobody misses it", host, orphan)

    async def _lost_volume(self, volume: Volume) -> None:
        async with self.cloud.db.read() as tx:
            if await self.cloud.sagas.active_for(tx, volume.id) or await self.progress.volumes.get(tx, volume.id) != volume:
                return
        log.error("volume %s has lost its data on host %s", volume.id, volume.host)
        await self.progress.set_volume(volume.id, status="error", reason=f"Its data is missing on host {volume.host}.")

    async def _lost_snapshot(self, snapshot: Snapshot, host: str) -> None:
        async with self.cloud.db.read() as tx:
            if await self.cloud.sagas.active_for(tx, snapshot.id) or await self.progress.snapshots.get(tx, snapshot.id) != snapshot:
                return
        log.error("snapshot %s has lost its data on host %s", snapshot.id, host)
        await self.progress.set_snapshot(snapshot.id, status="error", reason=f"Its data is missing on host {host}.")
