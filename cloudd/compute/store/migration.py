"""Moves of servers between hosts: what was asked, how far it is, what came of it."""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, Transaction, metadata
from cloudd.kit.store import Store

migration_table = sa.Table(
    "compute_migration",
    metadata,
    # Also the consumer that holds the source's resources until the move is decided.
    sa.Column("id", Id(), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False, unique=True),
    sa.Column("server_id", Id(), nullable=False, index=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("status", sa.String(32), nullable=False, index=True),
    sa.Column("source_host", sa.String(255), nullable=False, index=True),
    sa.Column("destination_host", sa.String(255), index=True),
    sa.Column("destination_address", sa.String(64), nullable=False),
    sa.Column("old_flavor_id", sa.String(255), nullable=False),
    sa.Column("new_flavor_id", sa.String(255), nullable=False),
    # What an operator asks of it while it is under way: abort or force.
    sa.Column("wish", sa.String(16), nullable=False),
    # True once the guest lives at the destination, whatever else is still to be done.
    sa.Column("has_landed", sa.Boolean, nullable=False),
    sa.Column("progress", Json(), nullable=False),
    sa.Column("user_id", Id(), nullable=False),
    sa.Column("project_id", Id(), nullable=False),
    sa.Column("created_at", Moment(), nullable=False, index=True),
    sa.Column("updated_at", Moment()),
)

MIGRATION, RESIZE, LIVE, EVACUATION = "migration", "resize", "live-migration", "evacuation"
#: nothing more happens to a migration in these states
ENDED = frozenset({"completed", "confirmed", "reverted", "done", "cancelled", "error", "failed"})
#: a cold one that waits for its user's decision
FINISHED = "finished"


class Migration(msgspec.Struct, kw_only=True):
    """`kind` is the API's migration_type; `progress` holds byte counts by the API's names."""

    id: str
    number: int
    server_id: str
    kind: str
    status: str
    source_host: str
    destination_host: str | None = None
    destination_address: str = ""
    old_flavor_id: str
    new_flavor_id: str
    wish: str = ""
    has_landed: bool = False
    progress: dict[str, Any] = {}
    user_id: str
    project_id: str
    created_at: datetime
    updated_at: datetime | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether a saga works on it, or a user has yet to decide."""
        return self.status not in ENDED

    @property
    def changes_host(self) -> bool:
        """False for a resize that stays where it is."""
        return self.destination_host not in (None, self.source_host)


class MigrationStore(Store[Migration]):
    def __init__(self) -> None:
        super().__init__(migration_table, Migration)

    async def next_number(self, tx: Transaction) -> int:
        """One more than the last; the column's uniqueness makes a race end in a repeated transaction, not in two alike."""
        return int(await tx.scalar(sa.select(sa.func.max(migration_table.c.number))) or 0) + 1

    async def of_server(self, tx: Transaction, server_id: str) -> list[Migration]:
        """A server's, newest first."""
        return await self.find(tx, migration_table.c.server_id == server_id, order=migration_table.c.number.desc())

    async def under_way(self, tx: Transaction, server_id: str) -> Migration | None:
        """The one that a server is in the midst of; a finished one counts until it is confirmed or reverted."""
        for migration in await self.of_server(tx, server_id):
            if migration.is_under_way:
                return migration
        return None

    async def away_from(self, tx: Transaction, host: str, kind: str, status: str) -> list[Migration]:
        """Those of a kind and status that left a host."""
        c = migration_table.c
        return await self.find(tx, c.source_host == host, c.kind == kind, c.status == status)
