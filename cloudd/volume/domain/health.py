"""What an operator should know of volumes: hosts that are silent, volumes in error, data without a row and rows without data."""

from cloudd.kit.clock import iso_z
from cloudd.kit.health import Check, Finding
from cloudd.kit.service import Cloud
from cloudd.volume.domain.host import Hosts, is_alive
from cloudd.volume.messages import Holdings, ListHoldings, agent_topic
from cloudd.volume.store.snapshot import SnapshotStore
from cloudd.volume.store.volume import VolumeStore

#: States in which the data must be there.
KEPT = ("available", "in-use", "reserved")


class Health:
    def __init__(self, cloud: Cloud, hosts: Hosts) -> None:
        self.cloud = cloud
        self.hosts = hosts
        self.volumes = VolumeStore()
        self.snapshots = SnapshotStore()

    def checks(self) -> list[Check]:
        return [
            Check("volume.hosts", "volume hosts", self.look_at_hosts),
            Check("volume.volumes", "volumes", self.look_at_volumes),
            Check("volume.data", "volumes and their data", self.compare_data),
        ]

    async def look_at_hosts(self) -> list[Finding]:
        return [
            Finding("error", host.id, f"was last heard of at {iso_z(host.updated_at)}", "start cloudd-agent there")
            for host in await self.hosts.all()
            if not is_alive(host)
        ]

    async def look_at_volumes(self) -> list[Finding]:
        async with self.cloud.db.read() as tx:
            volumes = await self.volumes.find(tx, self.volumes.table.c.status.like("error%"))
            snapshots = await self.snapshots.find(tx, self.snapshots.table.c.status.like("error%"))
        kept = [("volume", one.name, one.id, one.status, one.reason) for one in volumes]
        kept += [("snapshot", one.name, one.id, one.status, one.reason) for one in snapshots]
        return [
            Finding(
                "warning", f"{kind} {name} ({its_id})", f"is in {status}: {reason}", "delete it, or reset its state once its data is well"
            )
            for kind, name, its_id, status, reason in kept
        ]

    async def compare_data(self) -> list[Finding]:
        """What each living host keeps against the rows, both ways."""
        found = []
        for host in await self.hosts.all():
            if is_alive(host):
                found += await self._compare(host.id)
        return found

    async def _compare(self, host: str) -> list[Finding]:
        async with self.cloud.db.read() as tx:
            before = await self.volumes.find(tx, self.volumes.table.c.host == host, self.volumes.table.c.status.in_(KEPT))
        held: Holdings = await self.cloud.bus.call(agent_topic(host), ListHoldings(), timeout_seconds=15)
        async with self.cloud.db.read() as tx:
            known = {one.id for one in await self.volumes.find(tx)} | {one.id for one in await self.snapshots.find(tx)}
        remedy = "look into the host's storage; the reconciler sets the volume to error"
        lost = [one for one in before if one.id in known and one.id not in held.volumes]
        found = [Finding("error", f"volume {one.name} ({one.id})", f"has no data on {host}", remedy) for one in lost]
        remedy = "remove it there if nobody misses it; a database from a backup may know less than the host"
        orphans = sorted({*held.volumes, *held.snapshots} - known)
        return found + [Finding("warning", host, f"keeps {one}, of which there is no record", remedy) for one in orphans]
