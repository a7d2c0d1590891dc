"""Volumes, and the sums that quotas are checked against."""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, Transaction, metadata
from cloudd.kit.store import Store

volume_table = sa.Table(
    "volume_volume",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("user_id", Id(), nullable=False),
    sa.Column("name", sa.String(255)),
    sa.Column("description", sa.String(255)),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("extending_to", sa.Integer),
    sa.Column("status", sa.String(32), nullable=False, index=True),
    sa.Column("reason", sa.Text),
    sa.Column("reserved_by", sa.String(64)),
    sa.Column("availability_zone", sa.String(255), nullable=False),
    sa.Column("type_id", Id(), nullable=False, index=True),
    sa.Column("host", sa.String(255), index=True),
    sa.Column("driver", sa.String(32)),
    sa.Column("snapshot_id", Id(), index=True),
    sa.Column("source_volume_id", Id()),
    sa.Column("image_id", Id()),
    sa.Column("bootable", sa.Boolean, nullable=False),
    sa.Column("multiattach", sa.Boolean, nullable=False),
    sa.Column("read_only", sa.Boolean),
    sa.Column("metadata", Json(), nullable=False),
    sa.Column("image_metadata", Json(), nullable=False),
    sa.Column("created_at", Moment(), nullable=False, index=True),
    sa.Column("updated_at", Moment()),
)


class Volume(msgspec.Struct, kw_only=True):
    """size is in GiB. `reason` says why the status is an error."""

    id: str
    project_id: str
    user_id: str
    name: str | None = None
    description: str | None = None
    size: int
    extending_to: int | None = None
    status: str = "creating"
    reason: str | None = None
    reserved_by: str | None = None
    availability_zone: str
    type_id: str
    host: str | None = None
    driver: str | None = None
    snapshot_id: str | None = None
    source_volume_id: str | None = None
    image_id: str | None = None
    bootable: bool = False
    multiattach: bool = False
    read_only: bool | None = None
    metadata: dict[str, str] = {}
    image_metadata: dict[str, Any] = {}
    created_at: datetime
    updated_at: datetime | None = None


def has_metadata(table: sa.Table, key: str, value: str, column: str = "metadata") -> sa.ColumnElement[bool]:
    """Whether the JSON object in a column has that member. In encoded JSON no string's inside looks like a quoted member."""
    member = f"{msgspec.json.encode(key).decode()}:{msgspec.json.encode(value).decode()}"
    return sa.func.instr(sa.type_coerce(table.c[column], sa.Text), member) > 0


class VolumeStore(Store[Volume]):
    def __init__(self) -> None:
        super().__init__(volume_table, Volume)

    async def usage(self, tx: Transaction, *where: sa.ColumnElement[bool]) -> tuple[int, int]:
        """How many volumes, and their GiB; one that is growing counts with the size it will have."""
        size = sa.func.coalesce(self.table.c.extending_to, self.table.c.size)
        row = await tx.row(sa.select(sa.func.count().label("n"), sa.func.coalesce(sa.func.sum(size), 0).label("gib")).where(*where))
        return (int(row["n"]), int(row["gib"])) if row else (0, 0)
