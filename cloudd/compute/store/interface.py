"""A server's NICs: which ports it uses, in which order."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Transaction, metadata
from cloudd.kit.store import Store

interface_table = sa.Table(
    "compute_interface",
    metadata,
    # The port's id: a port is in one server at most.
    sa.Column("id", Id(), primary_key=True),
    sa.Column("server_id", Id(), nullable=False, index=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("network_id", Id(), nullable=False),
    sa.Column("mac_address", sa.String(32), nullable=False),
    # What the network service made of the user's request; its shape is that service's.
    sa.Column("plan", Json(), nullable=False),
    # True: the port came with the server and goes with it.
    sa.Column("make_port", sa.Boolean, nullable=False),
    sa.Column("tag", sa.String(255)),
)


class Interface(msgspec.Struct, kw_only=True):
    id: str
    server_id: str
    position: int = 0
    network_id: str
    mac_address: str
    plan: dict[str, Any] = {}
    make_port: bool = True
    tag: str | None = None


class InterfaceStore(Store[Interface]):
    def __init__(self) -> None:
        super().__init__(interface_table, Interface)

    async def of(self, tx: Transaction, server_ids: Sequence[str]) -> dict[str, list[Interface]]:
        """Each server's NICs in order."""
        found: dict[str, list[Interface]] = {server_id: [] for server_id in server_ids}
        for start in range(0, len(server_ids), 500):
            rows = await self.find(tx, interface_table.c.server_id.in_(server_ids[start : start + 500]), order=interface_table.c.position)
            for row in rows:
                found[row.server_id].append(row)
        return found

    async def of_server(self, tx: Transaction, server_id: str, port_id: str) -> Interface | None:
        """One NIC of a server."""
        return await self.get(tx, port_id, interface_table.c.server_id == server_id)

    async def delete_of(self, tx: Transaction, server_id: str) -> None:
        """Forget all of a server's."""
        await self.delete_where(tx, interface_table.c.server_id == server_id)
