"""Subnet pools: prefixes from which subnets may be cut."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, metadata
from cloudd.kit.store import Store

subnet_pool_table = sa.Table(
    "network_subnet_pool",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("ip_version", sa.Integer, nullable=False),
    sa.Column("prefixes", Json(), nullable=False),
    sa.Column("default_prefixlen", sa.Integer, nullable=False),
    sa.Column("min_prefixlen", sa.Integer, nullable=False),
    sa.Column("max_prefixlen", sa.Integer, nullable=False),
    sa.Column("default_quota", sa.Integer),
    sa.Column("shared", sa.Boolean, nullable=False),
    sa.Column("is_default", sa.Boolean, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
)


class SubnetPool(msgspec.Struct, kw_only=True):
    id: str
    project_id: str
    name: str
    description: str = ""
    ip_version: int
    prefixes: list[str]
    default_prefixlen: int
    min_prefixlen: int
    max_prefixlen: int
    default_quota: int | None = None
    shared: bool = False
    is_default: bool = False
    revision: int = 1
    created_at: datetime
    updated_at: datetime


class SubnetPoolStore(Store[SubnetPool]):
    def __init__(self) -> None:
        super().__init__(subnet_pool_table, SubnetPool)
