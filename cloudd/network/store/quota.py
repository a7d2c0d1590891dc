"""Quotas: a project's limits where they differ from the defaults."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, metadata
from cloudd.kit.store import Store

quota_table = sa.Table(
    "network_quota",
    metadata,
    sa.Column("id", sa.String(128), primary_key=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("resource", sa.String(64), nullable=False),
    sa.Column("limit", sa.Integer, nullable=False),
)


class Quota(msgspec.Struct, kw_only=True):
    id: str
    project_id: str
    resource: str
    limit: int


class QuotaStore(Store[Quota]):
    def __init__(self) -> None:
        super().__init__(quota_table, Quota)
