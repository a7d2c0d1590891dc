"""Allocations: what a consumer (a server, by its id) takes of providers."""

from collections import defaultdict
from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Moment, Transaction, metadata
from cloudd.kit.store import Store

#: resource class → amount
Amounts = dict[str, int]

allocation_table = sa.Table(
    "placement_allocation",
    metadata,
    sa.Column("consumer_id", Id(), sa.ForeignKey("placement_consumer.id"), primary_key=True),
    sa.Column("provider_id", Id(), sa.ForeignKey("placement_resource_provider.id"), primary_key=True, index=True),
    sa.Column("resource_class", sa.String(255), primary_key=True),
    sa.Column("used", sa.Integer, nullable=False),
)

consumer_table = sa.Table(
    "placement_consumer",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("project_id", sa.String(255), nullable=False, index=True),
    sa.Column("user_id", sa.String(255), nullable=False),
    sa.Column("consumer_type", sa.String(255), nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
)


class Allocation(msgspec.Struct):
    consumer_id: str
    provider_id: str
    resource_class: str
    used: int


class Consumer(msgspec.Struct):
    id: str
    generation: int
    project_id: str
    user_id: str
    consumer_type: str
    created_at: datetime
    updated_at: datetime


class ConsumerStore(Store[Consumer]):
    def __init__(self) -> None:
        super().__init__(consumer_table, Consumer)


class AllocationStore(Store[Allocation]):
    def __init__(self) -> None:
        super().__init__(allocation_table, Allocation)

    async def usages(self, tx: Transaction, *where: sa.ColumnElement[bool]) -> dict[str, Amounts]:
        """What is taken of each provider, by class."""
        columns = (self.table.c.provider_id, self.table.c.resource_class)
        used = sa.func.sum(self.table.c.used).label("used")
        found: dict[str, Amounts] = defaultdict(dict)
        for row in await tx.rows(sa.select(*columns, used).where(*where).group_by(*columns)):
            found[row["provider_id"]][row["resource_class"]] = int(row["used"])
        return found

    async def usages_by_type(self, tx: Transaction, project_id: str, user_id: str | None, consumer_type: str | None) -> dict[str, Amounts]:
        """What a project takes, by consumer type and class; `consumer_count` is among the classes."""
        where = [consumer_table.c.project_id == project_id]
        if user_id:
            where.append(consumer_table.c.user_id == user_id)
        if consumer_type:
            where.append(consumer_table.c.consumer_type == consumer_type)
        kind = consumer_table.c.consumer_type
        joined = consumer_table.join(self.table, consumer_table.c.id == self.table.c.consumer_id)
        used = sa.select(kind, self.table.c.resource_class, sa.func.sum(self.table.c.used).label("used")).select_from(joined)
        count = sa.select(kind, sa.func.count(sa.distinct(consumer_table.c.id)).label("count")).select_from(joined)
        found: dict[str, Amounts] = defaultdict(dict)
        for row in await tx.rows(count.where(*where).group_by(kind)):
            found[row["consumer_type"]]["consumer_count"] = int(row["count"])
        for row in await tx.rows(used.where(*where).group_by(kind, self.table.c.resource_class)):
            found[row["consumer_type"]][row["resource_class"]] = int(row["used"])
        return found
