"""Server groups: servers that should be near each other, or apart."""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, metadata
from cloudd.kit.store import Store

server_group_table = sa.Table(
    "compute_server_group",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("user_id", Id(), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("policy", sa.String(32), nullable=False),
    sa.Column("rules", Json(), nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
)


class ServerGroup(msgspec.Struct, kw_only=True):
    id: str
    project_id: str
    user_id: str
    name: str
    policy: str
    rules: dict[str, Any] = {}
    created_at: datetime


class ServerGroupStore(Store[ServerGroup]):
    def __init__(self) -> None:
        super().__init__(server_group_table, ServerGroup)
