"""Subnets: address ranges of a network."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, metadata
from cloudd.kit.store import Store

subnet_table = sa.Table(
    "network_subnet",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("network_id", Id(), nullable=False, index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("ip_version", sa.Integer, nullable=False),
    sa.Column("cidr", sa.String(64), nullable=False),
    sa.Column("gateway_ip", sa.String(64)),
    sa.Column("enable_dhcp", sa.Boolean, nullable=False),
    sa.Column("ipv6_ra_mode", sa.String(32)),
    sa.Column("ipv6_address_mode", sa.String(32)),
    sa.Column("subnetpool_id", Id(), index=True),
    sa.Column("allocation_pools", Json(), nullable=False),
    sa.Column("dns_nameservers", Json(), nullable=False),
    sa.Column("host_routes", Json(), nullable=False),
    sa.Column("service_types", Json(), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
)


class Subnet(msgspec.Struct, kw_only=True):
    """`allocation_pools`: [{start, end}]; `host_routes`: [{destination, nexthop}]."""

    id: str
    project_id: str
    network_id: str
    name: str = ""
    description: str = ""
    ip_version: int
    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool = True
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    subnetpool_id: str | None = None
    allocation_pools: list[dict[str, str]]
    dns_nameservers: list[str] = []
    host_routes: list[dict[str, str]] = []
    service_types: list[str] = []
    revision: int = 1
    created_at: datetime
    updated_at: datetime

    @property
    def is_auto_address(self) -> bool:
        """Whether hosts make their own address from the MAC."""
        return self.ipv6_address_mode in ("slaac", "dhcpv6-stateless")


class SubnetStore(Store[Subnet]):
    def __init__(self) -> None:
        super().__init__(subnet_table, Subnet)
