"""A project's own limits, where they differ from the default."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, metadata
from cloudd.kit.store import Store

quota_table = sa.Table(
    "volume_quota",
    metadata,
    sa.Column("project_id", Id(), primary_key=True),
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("limit", sa.Integer, nullable=False),
)


class Quota(msgspec.Struct):
    project_id: str
    resource: str
    limit: int


class QuotaStore(Store[Quota]):
    def __init__(self) -> None:
        super().__init__(quota_table, Quota)
