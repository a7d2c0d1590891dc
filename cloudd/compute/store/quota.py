"""The limits an administrator set for a project, where they differ from the defaults."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Transaction, metadata
from cloudd.kit.store import Store

quota_table = sa.Table(
    "compute_quota",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("project_id", Id(), nullable=False),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("limit", sa.Integer, nullable=False),
    sa.UniqueConstraint("project_id", "resource"),
)


class Quota(msgspec.Struct, kw_only=True):
    id: str
    project_id: str
    resource: str
    limit: int


class QuotaStore(Store[Quota]):
    def __init__(self) -> None:
        super().__init__(quota_table, Quota)

    async def of(self, tx: Transaction, project_id: str) -> dict[str, int]:
        """The limits that were set, by resource."""
        return {row.resource: row.limit for row in await self.find(tx, quota_table.c.project_id == project_id)}

    async def forget(self, tx: Transaction, project_id: str, *resources: str) -> None:
        """Back to the defaults, for some resources or for all."""
        where = [quota_table.c.project_id == project_id]
        if resources:
            where.append(quota_table.c.resource.in_(resources))
        await self.delete_where(tx, *where)
