"""Compute hosts as their agents last described them."""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.compute.drivers.base import HostCapacity
from cloudd.kit.db import Id, Json, Moment, Transaction, metadata
from cloudd.kit.store import Store

host_table = sa.Table(
    "compute_host",
    metadata,
    # Also the id of its resource provider.
    sa.Column("id", Id(), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("availability_zone", sa.String(255), nullable=False),
    sa.Column("capacity", Json(), nullable=False),
    sa.Column("is_enabled", sa.Boolean, nullable=False),
    sa.Column("disabled_reason", sa.String(255)),
    sa.Column("is_forced_down", sa.Boolean, nullable=False),
    # The boot whose servers were started again after it.
    sa.Column("recovered_boot_id", sa.String(64), nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("seen_at", Moment(), nullable=False),
)


class Host(msgspec.Struct, kw_only=True):
    id: str
    number: int
    name: str
    address: str = ""
    availability_zone: str
    capacity: HostCapacity
    is_enabled: bool = True
    disabled_reason: str | None = None
    is_forced_down: bool = False
    recovered_boot_id: str = ""
    created_at: datetime
    seen_at: datetime


class HostStore(Store[Host]):
    def __init__(self) -> None:
        super().__init__(host_table, Host)

    def _build(self, row: Any) -> Host:
        return Host(**{**row, "capacity": msgspec.convert(row["capacity"], HostCapacity)})

    async def by_name(self, tx: Transaction, name: str) -> Host | None:
        """The host with that name."""
        rows = await self.find(tx, host_table.c.name == name)
        return rows[0] if rows else None
