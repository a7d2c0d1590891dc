"""The metadata agents of hosts, and when each was last heard of."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Moment, metadata
from cloudd.kit.store import Store

agent_table = sa.Table(
    "network_agent",
    metadata,
    # The host's name.
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("heard_at", Moment(), nullable=False),
)


class MetadataAgent(msgspec.Struct, kw_only=True):
    id: str
    created_at: datetime
    heard_at: datetime


class MetadataAgentStore(Store[MetadataAgent]):
    def __init__(self) -> None:
        super().__init__(agent_table, MetadataAgent)
