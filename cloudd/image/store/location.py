"""Locations: which hosts are known to hold an image's file, whole and checked, or what was staged for it."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Moment, Transaction, metadata
from cloudd.kit.store import Store

WHOLE, STAGED = "whole", "staged"

location_table = sa.Table(
    "image_location",
    metadata,
    sa.Column("image_id", Id(), primary_key=True),
    sa.Column("host", sa.String(255), primary_key=True, index=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
)


class Location(msgspec.Struct, kw_only=True):
    """`state` is whole or staged."""

    image_id: str
    host: str
    state: str
    created_at: datetime


class LocationStore(Store[Location]):
    def __init__(self) -> None:
        super().__init__(location_table, Location)

    async def hosts_of(self, tx: Transaction, image_id: str, state: str = WHOLE) -> list[str]:
        """Names of the hosts that hold it."""
        found = await self.find(tx, self.table.c.image_id == image_id, self.table.c.state == state)
        return [location.host for location in found]

    async def put(self, tx: Transaction, location: Location) -> None:
        """Note it, in place of whatever was noted of this image and host."""
        await self.remove(tx, location.image_id, location.host)
        await self.insert(tx, location)

    async def remove(self, tx: Transaction, image_id: str, host: str) -> None:
        await self.delete_where(tx, self.table.c.image_id == image_id, self.table.c.host == host)

    async def remove_all(self, tx: Transaction, image_id: str) -> None:
        await self.delete_where(tx, self.table.c.image_id == image_id)
