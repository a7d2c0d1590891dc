"""Security group rules."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Moment, metadata
from cloudd.kit.store import Store

security_group_rule_table = sa.Table(
    "network_security_group_rule",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("security_group_id", Id(), nullable=False, index=True),
    sa.Column("direction", sa.String(16), nullable=False),
    sa.Column("ethertype", sa.String(8), nullable=False),
    sa.Column("protocol", sa.String(32)),
    sa.Column("port_range_min", sa.Integer),
    sa.Column("port_range_max", sa.Integer),
    sa.Column("remote_ip_prefix", sa.String(64)),
    sa.Column("remote_group_id", Id(), index=True),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
)


class SecurityGroupRule(msgspec.Struct, kw_only=True):
    id: str
    project_id: str
    security_group_id: str
    direction: str
    ethertype: str = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    description: str = ""
    created_at: datetime
    updated_at: datetime


class SecurityGroupRuleStore(Store[SecurityGroupRule]):
    def __init__(self) -> None:
        super().__init__(security_group_rule_table, SecurityGroupRule)
