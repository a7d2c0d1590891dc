"""A server's disks: local ones and attached volumes."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Transaction, metadata
from cloudd.kit.store import Store

block_device_table = sa.Table(
    "compute_block_device",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("server_id", Id(), nullable=False, index=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("source", sa.String(16), nullable=False),
    sa.Column("source_id", sa.String(64)),
    sa.Column("volume_id", Id(), index=True),
    # True: the server's creation makes the volume.
    sa.Column("make_volume", sa.Boolean, nullable=False),
    sa.Column("volume_type", sa.String(255)),
    sa.Column("size_gib", sa.Integer, nullable=False),
    sa.Column("device", sa.String(32), nullable=False),
    sa.Column("bus", sa.String(16), nullable=False),
    sa.Column("boot_index", sa.Integer),
    sa.Column("delete_on_termination", sa.Boolean, nullable=False),
    sa.Column("tag", sa.String(255)),
    sa.Column("connection", Json()),
    sa.UniqueConstraint("server_id", "device"),
)


class BlockDevice(msgspec.Struct, kw_only=True):
    """`volume_id` empty: a local disk called `name`. `source` is image, volume, snapshot or blank; `id` is the attachment's."""

    id: str
    server_id: str
    name: str = ""
    source: str
    source_id: str | None = None
    volume_id: str | None = None
    make_volume: bool = False
    volume_type: str | None = None
    size_gib: int = 0
    device: str
    bus: str = "virtio"
    boot_index: int | None = None
    delete_on_termination: bool = False
    tag: str | None = None
    connection: dict[str, Any] | None = None


class BlockDeviceStore(Store[BlockDevice]):
    def __init__(self) -> None:
        super().__init__(block_device_table, BlockDevice)

    async def of(self, tx: Transaction, server_ids: Sequence[str]) -> dict[str, list[BlockDevice]]:
        """Each server's disks in the order of their names (vda before vdb before vdaa)."""
        found: dict[str, list[BlockDevice]] = {server_id: [] for server_id in server_ids}
        for start in range(0, len(server_ids), 500):
            for row in await self.find(tx, block_device_table.c.server_id.in_(server_ids[start : start + 500])):
                found[row.server_id].append(row)
        for rows in found.values():
            rows.sort(key=lambda row: (len(row.device), row.device))
        return found

    async def volume_of(self, tx: Transaction, server_id: str, key: str) -> BlockDevice | None:
        """The attachment with that id, or of the volume with that id."""
        either = sa.or_(block_device_table.c.volume_id == key, block_device_table.c.id == key)
        rows = await self.find(tx, block_device_table.c.server_id == server_id, block_device_table.c.volume_id.is_not(None), either)
        return rows[0] if rows else None

    async def delete_of(self, tx: Transaction, server_id: str) -> None:
        """Forget all of a server's."""
        await self.delete_where(tx, block_device_table.c.server_id == server_id)

    async def delete_volumes_of(self, tx: Transaction, server_id: str) -> None:
        """Forget a server's volumes; its local disks stay."""
        await self.delete_where(tx, block_device_table.c.server_id == server_id, block_device_table.c.volume_id.is_not(None))
