"""Hosts that keep volumes, as their agents last reported them."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Moment, metadata
from cloudd.kit.store import Store

host_table = sa.Table(
    "volume_host",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("driver", sa.String(32), nullable=False),
    sa.Column("availability_zone", sa.String(255), nullable=False),
    sa.Column("total_bytes", sa.BigInteger, nullable=False),
    sa.Column("free_bytes", sa.BigInteger, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("disabled_reason", sa.String(255)),
    sa.Column("updated_at", Moment(), nullable=False),
)


class Host(msgspec.Struct, kw_only=True):
    """`id` is the host's name."""

    id: str
    driver: str
    availability_zone: str
    total_bytes: int
    free_bytes: int
    disabled: bool = False
    disabled_reason: str | None = None
    updated_at: datetime


class HostStore(Store[Host]):
    def __init__(self) -> None:
        super().__init__(host_table, Host)
