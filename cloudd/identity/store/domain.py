"""Domains: the outermost owners of projects, users and groups."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, metadata
from cloudd.kit.store import Store

domain_table = sa.Table(
    "identity_domain",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("tags", Json(), nullable=False),
)


class Domain(msgspec.Struct, kw_only=True):
    id: str
    name: str
    description: str = ""
    enabled: bool = True
    tags: list[str] = []


class DomainStore(Store[Domain]):
    def __init__(self) -> None:
        super().__init__(domain_table, Domain)
