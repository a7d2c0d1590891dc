"""Hosts that keep images, as their agents last reported them."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Moment, metadata
from cloudd.kit.store import Store

host_table = sa.Table(
    "image_host",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("address", sa.String(255), nullable=False),
    sa.Column("total_bytes", sa.BigInteger, nullable=False),
    sa.Column("free_bytes", sa.BigInteger, nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
)


class Host(msgspec.Struct, kw_only=True):
    """`id` is the host's name; an API process that serves its files answers at `address`."""

    id: str
    address: str
    total_bytes: int
    free_bytes: int
    updated_at: datetime


class HostStore(Store[Host]):
    def __init__(self) -> None:
        super().__init__(host_table, Host)
