"""Ports, and which security groups guard them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, Transaction, metadata
from cloudd.kit.store import Store

port_table = sa.Table(
    "network_port",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("network_id", Id(), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.String(255), nullable=False),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("mac_address", sa.String(17), nullable=False),
    sa.Column("device_id", sa.String(255), nullable=False, index=True),
    sa.Column("device_owner", sa.String(255), nullable=False),
    sa.Column("port_security_enabled", sa.Boolean, nullable=False),
    sa.Column("allowed_address_pairs", Json(), nullable=False),
    sa.Column("extra_dhcp_opts", Json(), nullable=False),
    sa.Column("binding_host", sa.String(255), nullable=False, index=True),
    # Where the port is moving to, while it is still on its host too.
    sa.Column("binding_destination", sa.String(255), nullable=False, index=True, server_default=""),
    sa.Column("binding_vnic_type", sa.String(32), nullable=False),
    sa.Column("binding_profile", Json(), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
    sa.UniqueConstraint("network_id", "mac_address"),
)

port_group_table = sa.Table(
    "network_port_group",
    metadata,
    sa.Column("port_id", Id(), primary_key=True),
    sa.Column("security_group_id", Id(), primary_key=True, index=True),
)


class Port(msgspec.Struct, kw_only=True):
    id: str
    project_id: str
    network_id: str
    name: str = ""
    description: str = ""
    admin_state_up: bool = True
    status: str = "DOWN"
    mac_address: str
    device_id: str = ""
    device_owner: str = ""
    port_security_enabled: bool = True
    allowed_address_pairs: list[dict[str, str]] = []
    extra_dhcp_opts: list[dict[str, Any]] = []
    binding_host: str = ""
    binding_destination: str = ""
    binding_vnic_type: str = "normal"
    binding_profile: dict[str, Any] = {}
    revision: int = 1
    created_at: datetime
    updated_at: datetime


class PortStore(Store[Port]):
    def __init__(self) -> None:
        super().__init__(port_table, Port)

    async def groups_of(self, tx: Transaction, port_ids: Collection[str]) -> dict[str, list[str]]:
        """Port id to the ids of its security groups."""
        column = port_group_table.c
        found: dict[str, list[str]] = {port_id: [] for port_id in port_ids}
        for row in await tx.rows(sa.select(port_group_table).where(column.port_id.in_(port_ids)).order_by(column.security_group_id)):
            found[row["port_id"]].append(row["security_group_id"])
        return found

    async def set_groups(self, tx: Transaction, port_id: str, group_ids: Collection[str]) -> None:
        await tx.execute(sa.delete(port_group_table).where(port_group_table.c.port_id == port_id))
        rows = [{"port_id": port_id, "security_group_id": group_id} for group_id in dict.fromkeys(group_ids)]
        if rows:
            await tx.execute(sa.insert(port_group_table), rows)

    async def ids_in_group(self, tx: Transaction, group_id: str) -> list[str]:
        statement = sa.select(port_group_table.c.port_id).where(port_group_table.c.security_group_id == group_id)
        return [row["port_id"] for row in await tx.rows(statement)]
