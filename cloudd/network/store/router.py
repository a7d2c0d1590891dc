"""Routers; their interfaces are ports whose device they are."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, metadata
from cloudd.kit.store import Store

router_table = sa.Table(
    "network_router",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("gateway_network_id", Id(), index=True),
    sa.Column("gateway_port_id", Id(), index=True),
    sa.Column("enable_snat", sa.Boolean, nullable=False),
    sa.Column("routes", Json(), nullable=False),
    sa.Column("availability_zone_hints", Json(), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
)


class Router(msgspec.Struct, kw_only=True):
    """`routes`: [{destination, nexthop}]."""

    id: str
    project_id: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    status: str = "ACTIVE"
    gateway_network_id: str | None = None
    gateway_port_id: str | None = None
    enable_snat: bool = True
    routes: list[dict[str, str]] = []
    availability_zone_hints: list[str] = []
    revision: int = 1
    created_at: datetime
    updated_at: datetime


class RouterStore(Store[Router]):
    def __init__(self) -> None:
        super().__init__(router_table, Router)
