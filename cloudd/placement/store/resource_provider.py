"""Resource providers: hosts, and trees of what they hold."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.clock import now
from cloudd.kit.db import Id, Moment, Transaction, metadata
from cloudd.kit.store import Store

resource_provider_table = sa.Table(
    "placement_resource_provider",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("parent_id", Id(), index=True),
    sa.Column("root_id", Id(), nullable=False, index=True),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
)


class ResourceProvider(msgspec.Struct):
    id: str
    name: str
    generation: int
    parent_id: str | None
    root_id: str
    created_at: datetime
    updated_at: datetime


class ResourceProviderStore(Store[ResourceProvider]):
    def __init__(self) -> None:
        super().__init__(resource_provider_table, ResourceProvider)

    async def lock_all(self, tx: Transaction, provider_ids: set[str]) -> dict[str, ResourceProvider]:
        """Hold these rows to the transaction's end, in one fixed order so that two claims never wait for each other."""
        column = self.table.c.id
        statement = sa.select(self.table).where(column.in_(provider_ids)).order_by(column).with_for_update()
        return {row["id"]: self.record(**row) for row in await tx.rows(statement)}

    async def bump(self, tx: Transaction, provider_id: str) -> None:
        """One more generation: whoever read the provider before must read again."""
        await self.update(tx, provider_id, generation=self.table.c.generation + 1, updated_at=now())
