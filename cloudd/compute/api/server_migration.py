"""/v2.1/servers/{id}/migrations: a server's live migrations under way, to follow, hasten and abort."""

from typing import Any

import msgspec

from cloudd.compute.api.migration import migration_view
from cloudd.compute.api.shapes import since
from cloudd.compute.domain.migration import Migrations
from cloudd.compute.store.migration import Migration
from cloudd.kit.auth import Context
from cloudd.kit.web import route

_COUNTS = [f"{kind}_{which}_bytes" for kind in ("memory", "disk") for which in ("total", "processed", "remaining")]


class ForceComplete(msgspec.Struct, forbid_unknown_fields=True):
    force_complete: None


def _view(ctx: Context, migration: Migration) -> dict[str, Any]:
    counts = {name: migration.progress.get(name) for name in _COUNTS}
    return {**migration_view(ctx, migration), "server_uuid": migration.server_id, **counts}


@route("GET", "/v2.1/servers/{server_id:str}/migrations", rule="compute:server_migrations")
async def list_server_migrations(ctx: Context, migrations: Migrations, server_id: str) -> dict[str, Any]:
    since(ctx, 23)
    return {"migrations": [_view(ctx, migration) for migration in await migrations.of_server(ctx, server_id)]}


@route("GET", "/v2.1/servers/{server_id:str}/migrations/{migration_id:str}", rule="compute:server_migrations")
async def show_server_migration(ctx: Context, migrations: Migrations, server_id: str, migration_id: str) -> dict[str, Any]:
    since(ctx, 23)
    return {"migration": _view(ctx, await migrations.get(ctx, server_id, migration_id))}


@route("POST", "/v2.1/servers/{server_id:str}/migrations/{migration_id:str}/action", rule="compute:server_migrations", status=202)
async def force_complete(ctx: Context, migrations: Migrations, server_id: str, migration_id: str, data: ForceComplete) -> None:
    since(ctx, 22)
    await migrations.force_complete(ctx, server_id, migration_id)


@route("DELETE", "/v2.1/servers/{server_id:str}/migrations/{migration_id:str}", rule="compute:server_migrations", status=202)
async def abort_migration(ctx: Context, migrations: Migrations, server_id: str, migration_id: str) -> None:
    since(ctx, 24)
    await migrations.abort(ctx, server_id, migration_id, may_be_queued=ctx.version >= (2, 65))
