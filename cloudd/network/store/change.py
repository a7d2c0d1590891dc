"""Changes that the engine has not been told yet: written with the change itself, removed once the engine has it."""

from datetime import datetime
from uuid import uuid4

import msgspec
import sqlalchemy as sa

from cloudd.kit.clock import now
from cloudd.kit.db import Id, Moment, Transaction, metadata
from cloudd.kit.store import Store
from cloudd.network.drivers.base import Kind
from cloudd.network.store.network import network_table
from cloudd.network.store.port import port_table
from cloudd.network.store.router import router_table
from cloudd.network.store.security_group import security_group_table

change_table = sa.Table(
    "network_change",
    metadata,
    sa.Column("id", sa.String(128), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("object_id", Id(), nullable=False),
    # New with every change, so that one made meanwhile is not taken for done.
    sa.Column("token", Id(), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("due_at", Moment(), nullable=False, index=True),
)

TABLES: dict[Kind, sa.Table] = {
    "network": network_table,
    "security_group": security_group_table,
    "port": port_table,
    "router": router_table,
}


class Change(msgspec.Struct, kw_only=True):
    id: str
    kind: Kind
    object_id: str
    token: str
    attempts: int = 0
    error: str | None = None
    due_at: datetime


class ChangeStore(Store[Change]):
    def __init__(self) -> None:
        super().__init__(change_table, Change)

    async def mark(self, tx: Transaction, kind: Kind, *object_ids: str) -> None:
        """The engine must look at these again; raises their revision."""
        for object_id in dict.fromkeys(object_ids):
            table = TABLES[kind]
            await tx.execute(sa.update(table).where(table.c.id == object_id).values(revision=table.c.revision + 1))
            key = f"{kind}/{object_id}"
            values = {"token": uuid4().hex, "attempts": 0, "error": None, "due_at": now()}
            if not await self.update(tx, key, **values):
                await self.insert(tx, Change(id=key, kind=kind, object_id=object_id, token=str(values["token"]), due_at=now()))
