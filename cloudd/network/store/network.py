"""Networks."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, metadata
from cloudd.kit.store import Store

network_table = sa.Table(
    "network_network",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("shared", sa.Boolean, nullable=False),
    sa.Column("external", sa.Boolean, nullable=False),
    sa.Column("is_default", sa.Boolean, nullable=False),
    sa.Column("mtu", sa.Integer, nullable=False),
    sa.Column("network_type", sa.String(16), nullable=False),
    sa.Column("physical_network", sa.String(64)),
    sa.Column("segmentation_id", sa.Integer),
    # "vlan:external:42", "flat:external", "geneve:77": nobody else may have the same.
    sa.Column("segment", sa.String(128), nullable=False, unique=True),
    sa.Column("port_security_enabled", sa.Boolean, nullable=False),
    sa.Column("availability_zone_hints", Json(), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
)


class Network(msgspec.Struct, kw_only=True):
    id: str
    project_id: str
    name: str
    description: str = ""
    admin_state_up: bool = True
    status: str = "ACTIVE"
    shared: bool = False
    external: bool = False
    is_default: bool = False
    mtu: int
    network_type: str
    physical_network: str | None = None
    segmentation_id: int | None = None
    segment: str
    port_security_enabled: bool = True
    availability_zone_hints: list[str] = []
    revision: int = 1
    created_at: datetime
    updated_at: datetime


class NetworkStore(Store[Network]):
    def __init__(self) -> None:
        super().__init__(network_table, Network)
