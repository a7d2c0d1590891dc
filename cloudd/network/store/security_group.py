"""Security groups."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Moment, metadata
from cloudd.kit.store import Store

security_group_table = sa.Table(
    "network_security_group",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("stateful", sa.Boolean, nullable=False),
    # The project whose default group this is: one a project.
    sa.Column("default_of", Id(), unique=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
)


class SecurityGroup(msgspec.Struct, kw_only=True):
    id: str
    project_id: str
    name: str
    description: str = ""
    stateful: bool = True
    default_of: str | None = None
    revision: int = 1
    created_at: datetime
    updated_at: datetime


class SecurityGroupStore(Store[SecurityGroup]):
    def __init__(self) -> None:
        super().__init__(security_group_table, SecurityGroup)
