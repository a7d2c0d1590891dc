"""Quotas: a project's limits where they differ from the defaults, and the lock that makes counting safe."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Transaction, metadata
from cloudd.kit.store import Store

quota_table = sa.Table(
    "network_quota",
    metadata,
    sa.Column("id", sa.String(128), primary_key=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("limit", sa.Integer, nullable=False),
)

# Who counts a project's resources holds this row until its transaction ends.
quota_lock_table = sa.Table("network_quota_lock", metadata, sa.Column("id", Id(), primary_key=True))


class Quota(msgspec.Struct, kw_only=True):
    id: str
    project_id: str
    resource: str
    limit: int


class QuotaStore(Store[Quota]):
    def __init__(self) -> None:
        super().__init__(quota_table, Quota)

    async def lock(self, tx: Transaction, project_id: str) -> bool:
        """Hold the project's count; False when the project has no lock row yet."""
        row = await tx.row(sa.select(quota_lock_table).where(quota_lock_table.c.id == project_id).with_for_update())
        return row is not None

    async def add_lock(self, tx: Transaction, project_id: str) -> None:
        await tx.execute(sa.insert(quota_lock_table).values(id=project_id))
