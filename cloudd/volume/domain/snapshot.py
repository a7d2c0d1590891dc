"""Snapshots: taken, shown, changed, reverted to and deleted."""

from typing import Any
from uuid import uuid4

import msgspec
import sqlalchemy as sa

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.paging import MarkerNotFound, Page
from cloudd.kit.service import Cloud
from cloudd.volume.domain.metadata import check_metadata
from cloudd.volume.domain.volume import Volumes
from cloudd.volume.domain.work import SnapshotParams
from cloudd.volume.errors import InvalidSnapshot, InvalidVolume, SnapshotNotFound
from cloudd.volume.store.snapshot import Snapshot, SnapshotStore

SETTABLE_STATUSES = ("available", "error", "creating", "deleting", "error_deleting")


class SnapshotSpec(msgspec.Struct, kw_only=True):
    volume_id: str
    name: str | None = None
    description: str | None = None
    metadata: dict[str, str] = {}
    #: also while a server writes to the volume
    force: bool = False


class Snapshots:
    def __init__(self, cloud: Cloud, volumes: Volumes) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.volumes = volumes
        self.store = SnapshotStore()

    async def create(self, ctx: Context, spec: SnapshotSpec) -> Snapshot:
        check_metadata(spec.metadata)
        async with self.db.write() as tx:
            volume = await self.volumes.get(tx, ctx, spec.volume_id, lock=True)
            allowed = ("available", "in-use") if spec.force else ("available",)
            if volume.status not in allowed:
                raise InvalidVolume(
                    reason=f"Volume {volume.id} status must be {' or '.join(allowed)}, but current status is: {volume.status}."
                )
            await self.volumes.quotas.check(tx, ctx.project, snapshots=1, gigabytes=volume.size)
            snapshot = Snapshot(
                id=str(uuid4()), volume_id=volume.id, project_id=ctx.project, user_id=ctx.user_id or "", name=spec.name,
                description=spec.description, size=volume.size, metadata=spec.metadata, created_at=now(),
            )  # fmt: skip
            await self.store.insert(tx, snapshot)
            await self._start(tx, ctx, "volume.create_snapshot", snapshot, in_use=volume.status == "in-use")
        return snapshot

    async def get(self, tx: Transaction, ctx: Context, snapshot_id: str, *, lock: bool = False) -> Snapshot:
        snapshot = await self.store.get(tx, snapshot_id, lock=lock)
        if snapshot is None or not ctx.may_see(snapshot.project_id):
            raise SnapshotNotFound(snapshot_id=snapshot_id)
        return snapshot

    async def show(self, ctx: Context, snapshot_id: str) -> Snapshot:
        async with self.db.read() as tx:
            return await self.get(tx, ctx, snapshot_id)

    async def page(self, page: Page, where: list[sa.ColumnElement[bool]]) -> list[Snapshot]:
        try:
            async with self.db.read() as tx:
                return await self.store.page(tx, page, *where)
        except MarkerNotFound:
            # This API says 404 where others say 400.
            raise SnapshotNotFound(snapshot_id=page.marker) from None

    async def count(self, where: list[sa.ColumnElement[bool]]) -> int:
        async with self.db.read() as tx:
            return await self.store.count(tx, *where)

    async def update(self, ctx: Context, snapshot_id: str, changes: dict[str, Any]) -> Snapshot:
        if "metadata" in changes:
            check_metadata(changes["metadata"])
        async with self.db.write() as tx:
            await self.get(tx, ctx, snapshot_id, lock=True)
            await self.store.update(tx, snapshot_id, **changes, updated_at=now())
            return await self.get(tx, ctx, snapshot_id)

    async def delete(self, ctx: Context, snapshot_id: str, *, force: bool = False) -> None:
        async with self.db.write() as tx:
            snapshot = await self.get(tx, ctx, snapshot_id, lock=True)
            if not force and snapshot.status not in ("available", "error", "error_deleting"):
                raise InvalidSnapshot(reason=f"Snapshot status must be available or error to delete, it is {snapshot.status}.")
            await self.store.update(tx, snapshot_id, status="deleting", updated_at=now())
            await self._start(tx, ctx, "volume.delete_snapshot", snapshot)

    async def revert(self, ctx: Context, volume_id: str, snapshot_id: str) -> None:
        """Give the volume its latest snapshot's content back."""
        table = self.store.table.c
        async with self.db.write() as tx:
            volume = await self.volumes.get(tx, ctx, volume_id, lock=True)
            snapshot = await self.get(tx, ctx, snapshot_id)
            latest = await self.store.find(tx, table.volume_id == volume_id, order=table.created_at.desc(), limit=1)
            if snapshot.volume_id != volume_id or snapshot.status != "available" or latest[0].id != snapshot_id:
                raise InvalidSnapshot(reason=f"Snapshot {snapshot_id} is not the latest available one of volume {volume_id}.")
            await self.volumes.move(tx, volume, ("available",), "reverting", "revert")
            await self._start(tx, ctx, "volume.revert_to_snapshot", snapshot)

    async def _start(self, tx: Transaction, ctx: Context, kind: str, snapshot: Snapshot, *, in_use: bool = False) -> None:
        params = SnapshotParams(snapshot.id, snapshot.volume_id, snapshot.project_id, snapshot.user_id, in_use)
        resource_id = snapshot.volume_id if kind == "volume.revert_to_snapshot" else snapshot.id
        await self.cloud.sagas.start(tx, kind, params, resource_id=resource_id, request_id=ctx.request_id)
