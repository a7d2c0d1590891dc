"""Floating IPs: an address of an external network that may stand for a port's fixed address."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Moment, metadata
from cloudd.kit.store import Store

floating_ip_table = sa.Table(
    "network_floating_ip",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("floating_network_id", Id(), nullable=False, index=True),
    sa.Column("floating_ip_address", sa.String(64), nullable=False),
    # The service's own port that holds the address in the external network.
    sa.Column("holder_port_id", Id(), nullable=False, unique=True),
    sa.Column("port_id", Id(), index=True),
    sa.Column("fixed_ip_address", sa.String(64)),
    sa.Column("router_id", Id(), index=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
    sa.UniqueConstraint("port_id", "fixed_ip_address"),
)


class FloatingIp(msgspec.Struct, kw_only=True):
    id: str
    project_id: str
    description: str = ""
    floating_network_id: str
    floating_ip_address: str
    holder_port_id: str
    port_id: str | None = None
    fixed_ip_address: str | None = None
    router_id: str | None = None
    status: str = "DOWN"
    revision: int = 1
    created_at: datetime
    updated_at: datetime


class FloatingIpStore(Store[FloatingIp]):
    def __init__(self) -> None:
        super().__init__(floating_ip_table, FloatingIp)
