"""Projects: the owners of the cloud's resources."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, metadata
from cloudd.kit.store import Store

project_table = sa.Table(
    "identity_project",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("domain_id", Id(), nullable=False),
    sa.Column("parent_id", Id()),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("tags", Json(), nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)


class Project(msgspec.Struct, kw_only=True):
    id: str
    domain_id: str
    parent_id: str | None = None
    name: str
    description: str = ""
    enabled: bool = True
    tags: list[str] = []


class ProjectStore(Store[Project]):
    def __init__(self) -> None:
        super().__init__(project_table, Project)
