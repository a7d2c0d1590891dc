"""Quotas: a project's limits, and its usage counted from the rows themselves."""

from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Transaction
from cloudd.kit.errors import BadRequest
from cloudd.kit.lock import hold
from cloudd.kit.service import Cloud
from cloudd.volume.errors import QuotaExceeded, VolumeTooLarge
from cloudd.volume.settings import VolumeSettings
from cloudd.volume.store.quota import Quota, QuotaStore
from cloudd.volume.store.snapshot import SnapshotStore
from cloudd.volume.store.volume import VolumeStore

#: the class whose limits are every project's default; its rows stand where a project's would
DEFAULT_CLASS = "default"
#: quotas of things that this cloud does not have; their usage is nought
ABSENT = ("backups", "backup_gigabytes", "groups")


class Quotas:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.store = QuotaStore()
        self.volumes = VolumeStore()
        self.snapshots = SnapshotStore()

    @property
    def configured(self) -> dict[str, int]:
        return msgspec.structs.asdict(self.cloud.settings.section(VolumeSettings).quota)

    async def defaults(self) -> dict[str, int]:
        """What a project without limits of its own may have."""
        return await self.limits(DEFAULT_CLASS)

    async def limits(self, project_id: str) -> dict[str, int]:
        async with self.db.read() as tx:
            return await self._limits(tx, project_id)

    async def usage(self, project_id: str) -> dict[str, int]:
        async with self.db.read() as tx:
            return await self._usage(tx, project_id)

    async def set(self, project_id: str, limits: dict[str, int]) -> dict[str, int]:
        for resource, limit in limits.items():
            if resource not in self.configured:
                raise BadRequest(reason=f"Bad key(s) in quota set: {resource}")
            if limit < -1:
                raise BadRequest(reason=f"Quota limit for {resource} must be -1 or greater.")
        table = self.store.table.c
        async with self.db.write() as tx:
            await self.store.delete_where(tx, table.project_id == project_id, table.resource.in_(limits))
            await self.store.insert_all(tx, [Quota(project_id, resource, limit) for resource, limit in limits.items()])
            return await self._limits(tx, project_id)

    async def reset(self, project_id: str) -> None:
        async with self.db.write() as tx:
            await self.store.delete_where(tx, self.store.table.c.project_id == project_id)

    async def check(self, tx: Transaction, project_id: str, **more: int) -> None:
        """Refuse what would exceed a limit: volumes=1, gigabytes=10. Holds the project's lock, so that two cannot count at once."""
        await hold(tx, f"volume.quota/{project_id}")
        limits, used = await self._limits(tx, project_id), await self._usage(tx, project_id)
        for resource, wanted in more.items():
            if 0 <= limits[resource] < used[resource] + wanted:
                raise QuotaExceeded(resource=resource, limit=limits[resource], wanted=wanted, used=used[resource])

    async def check_size(self, tx: Transaction, project_id: str, size_gib: int) -> None:
        limit = (await self._limits(tx, project_id))["per_volume_gigabytes"]
        if 0 <= limit < size_gib:
            raise VolumeTooLarge(size_gib=size_gib, limit_gib=limit)

    async def _limits(self, tx: Transaction, project_id: str) -> dict[str, int]:
        rows: list[Any] = await self.store.find(tx, self.store.table.c.project_id.in_((DEFAULT_CLASS, project_id)))
        shared = {row.resource: row.limit for row in rows if row.project_id == DEFAULT_CLASS}
        return {**self.configured, **shared, **{row.resource: row.limit for row in rows if row.project_id == project_id}}

    async def _usage(self, tx: Transaction, project_id: str) -> dict[str, int]:
        where: list[sa.ColumnElement[bool]] = [self.volumes.table.c.project_id == project_id]
        volumes, volume_gib = await self.volumes.usage(tx, *where)
        snapshots, snapshot_gib = await self.snapshots.usage(tx, self.snapshots.table.c.project_id == project_id)
        absent = dict.fromkeys(ABSENT, 0)
        return {"volumes": volumes, "snapshots": snapshots, "gigabytes": volume_gib + snapshot_gib, "per_volume_gigabytes": 0, **absent}
