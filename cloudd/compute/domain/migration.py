"""Moves of servers as operators list, follow, abort and hasten them."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.compute.domain.action import Actions
from cloudd.compute.domain.server import Servers
from cloudd.compute.errors import MigrationNotFound, MigrationStateInvalid, ServerBusy, ServerMigrationNotFound
from cloudd.compute.store.migration import ENDED, LIVE, Migration, MigrationStore, migration_table
from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.paging import Page
from cloudd.kit.service import Cloud

_DIGITS = 9


class MigrationFilter(msgspec.Struct, kw_only=True):
    """What a list is asked for; None asks for nothing."""

    server_id: str | None = None
    kind: str | None = None
    status: str | None = None
    #: on either end
    host: str | None = None
    source_host: str | None = None
    user_id: str | None = None
    project_id: str | None = None
    changed_since: datetime | None = None
    changed_before: datetime | None = None


class Migrations:
    def __init__(self, cloud: Cloud, servers: Servers, actions: Actions) -> None:
        self.db = cloud.db
        self.store = MigrationStore()
        self.servers = servers
        self.actions = actions

    async def page(self, page: Page, wanted: MigrationFilter) -> list[Migration]:
        """Everybody's, newest first. MigrationNotFound for a marker that is none."""
        c = migration_table.c
        exact = {
            c.server_id: wanted.server_id,
            c.kind: wanted.kind,
            c.status: wanted.status,
            c.source_host: wanted.source_host,
            c.user_id: wanted.user_id,
            c.project_id: wanted.project_id,
        }
        where = [column == value for column, value in exact.items() if value is not None]
        if wanted.host is not None:
            where.append(sa.or_(c.source_host == wanted.host, c.destination_host == wanted.host))
        changed = sa.func.coalesce(c.updated_at, c.created_at)
        if wanted.changed_since is not None:
            where.append(changed >= wanted.changed_since)
        if wanted.changed_before is not None:
            where.append(changed <= wanted.changed_before)
        async with self.db.read() as tx:
            if page.marker is not None and await self.store.get(tx, page.marker) is None:
                raise MigrationNotFound(migration_id=page.marker)
            return await self.store.page(tx, page, *where)

    async def of_server(self, ctx: Context, server_id: str) -> list[Migration]:
        """A server's live migrations under way."""
        async with self.db.read() as tx:
            await self.servers.of(tx, ctx, server_id)
            return [row for row in await self.store.of_server(tx, server_id) if row.kind == LIVE and row.is_under_way]

    async def get(self, ctx: Context, server_id: str, number: str) -> Migration:
        """A server's live migration that is under way. ServerNotFound, ServerMigrationNotFound."""
        async with self.db.read() as tx:
            migration = await self._of(tx, ctx, server_id, number)
        if migration.kind != LIVE:
            raise ServerMigrationNotFound(migration_id=number, server_id=server_id, reason="is not live-migration")
        if not migration.is_under_way:
            raise ServerMigrationNotFound(migration_id=number, server_id=server_id, reason="is not in progress")
        return migration

    async def abort(self, ctx: Context, server_id: str, number: str, *, may_be_queued: bool) -> None:
        """Call a live migration off. MigrationStateInvalid where it has gone too far, or not begun unless `may_be_queued`."""
        states = {"running", *(("queued", "preparing") if may_be_queued else ())}
        await self._wish(ctx, server_id, number, "abort", "abort live migration", states, "live_migration_cancel")

    async def force_complete(self, ctx: Context, server_id: str, number: str) -> None:
        """Let a live migration come to its end, at the price of a pause. MigrationStateInvalid."""
        await self._wish(ctx, server_id, number, "force", "force_complete", {"running"}, "live_migration_force_complete")

    async def _wish(self, ctx: Context, server_id: str, number: str, wish: str, method: str, states: set[str], action: str) -> None:
        """The saga that moves the server reads it."""
        async with self.db.write() as tx:
            server = await self.servers.of(tx, ctx, server_id, lock=True)
            if server.task_state != "migrating":
                raise ServerBusy(action=method, server_id=server_id, attribute="task_state", state=server.task_state)
            migration = await self._of(tx, ctx, server_id, number)
            if migration.kind != LIVE or migration.status not in states:
                raise MigrationStateInvalid(migration_id=number, server_id=server_id, state=migration.status, method=method)
            await self.store.update(tx, migration.id, migration_table.c.status.not_in(ENDED), wish=wish, updated_at=now())
            await self.actions.record(tx, ctx, server, action)

    async def _of(self, tx: Transaction, ctx: Context, server_id: str, number: str) -> Migration:
        await self.servers.of(tx, ctx, server_id)
        if number.isdigit() and len(number) <= _DIGITS:
            c = migration_table.c
            if found := await self.store.find(tx, c.server_id == server_id, c.number == int(number)):
                return found[0]
        raise ServerMigrationNotFound(migration_id=number, server_id=server_id, reason="could not be found")
