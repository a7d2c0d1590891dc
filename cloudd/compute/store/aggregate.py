"""Host aggregates: named sets of hosts; with an availability zone they are what users choose from."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, metadata
from cloudd.kit.store import Store

aggregate_table = sa.Table(
    "compute_aggregate",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    # The integer that the API addresses it by.
    sa.Column("number", sa.Integer, nullable=False, unique=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("hosts", Json(), nullable=False),
    # The availability zone is the key availability_zone in here, as upstream keeps it.
    sa.Column("metadata", Json(), nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment()),
)


class Aggregate(msgspec.Struct, kw_only=True):
    id: str
    number: int
    name: str
    hosts: list[str] = []
    metadata: dict[str, str] = {}
    created_at: datetime
    updated_at: datetime | None = None


class AggregateStore(Store[Aggregate]):
    def __init__(self) -> None:
        super().__init__(aggregate_table, Aggregate)
