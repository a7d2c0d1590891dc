"""Aggregates: sets of providers under one uuid."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, metadata
from cloudd.kit.store import Store

aggregate_table = sa.Table(
    "placement_provider_aggregate",
    metadata,
    sa.Column("provider_id", Id(), sa.ForeignKey("placement_resource_provider.id"), primary_key=True),
    sa.Column("aggregate_id", Id(), primary_key=True, index=True),
)


class ProviderAggregate(msgspec.Struct):
    provider_id: str
    aggregate_id: str


class AggregateStore(Store[ProviderAggregate]):
    def __init__(self) -> None:
        super().__init__(aggregate_table, ProviderAggregate)
