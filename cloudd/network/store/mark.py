"""By what the engine tells this cloud's objects from others': one row, made once and never changed."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, metadata
from cloudd.kit.store import Store

mark_table = sa.Table(
    "network_mark",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("cloud_id", Id(), nullable=False),
)


class Mark(msgspec.Struct, kw_only=True):
    id: str
    cloud_id: str


class MarkStore(Store[Mark]):
    def __init__(self) -> None:
        super().__init__(mark_table, Mark)
