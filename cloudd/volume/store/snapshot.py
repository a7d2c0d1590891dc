"""Snapshots of volumes."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, Transaction, metadata
from cloudd.kit.store import Store

snapshot_table = sa.Table(
    "volume_snapshot",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("volume_id", Id(), sa.ForeignKey("volume_volume.id"), nullable=False, index=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("user_id", Id(), nullable=False),
    sa.Column("name", sa.String(255)),
    sa.Column("description", sa.String(255)),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("status", sa.String(32), nullable=False, index=True),
    sa.Column("reason", sa.Text),
    sa.Column("metadata", Json(), nullable=False),
    sa.Column("created_at", Moment(), nullable=False, index=True),
    sa.Column("updated_at", Moment()),
)


class Snapshot(msgspec.Struct, kw_only=True):
    """size is its volume's, in GiB, when it was taken."""

    id: str
    volume_id: str
    project_id: str
    user_id: str
    name: str | None = None
    description: str | None = None
    size: int
    status: str = "creating"
    reason: str | None = None
    metadata: dict[str, str] = {}
    created_at: datetime
    updated_at: datetime | None = None


class SnapshotStore(Store[Snapshot]):
    def __init__(self) -> None:
        super().__init__(snapshot_table, Snapshot)

    async def usage(self, tx: Transaction, *where: sa.ColumnElement[bool]) -> tuple[int, int]:
        """How many snapshots, and their GiB."""
        size = sa.func.coalesce(sa.func.sum(self.table.c.size), 0)
        row = await tx.row(sa.select(sa.func.count().label("n"), size.label("gib")).where(*where))
        return (int(row["n"]), int(row["gib"])) if row else (0, 0)
