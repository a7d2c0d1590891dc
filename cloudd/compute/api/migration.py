"""/v2.1/os-migrations: every move of a server between hosts, for operators."""

from datetime import datetime
from typing import Any

from litestar import Request

from cloudd.compute.api.shapes import Links, refuse_unknown
from cloudd.compute.domain.migration import MigrationFilter, Migrations
from cloudd.compute.store.migration import LIVE, Migration
from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro, parse
from cloudd.kit.errors import BadRequest
from cloudd.kit.paging import Page, next_link, parse_page
from cloudd.kit.web import route

# A query's name for what the filter calls otherwise.
_FILTERS = {
    "instance_uuid": "server_id",
    "migration_type": "kind",
    "status": "status",
    "host": "host",
    "source_compute": "source_host",
}
_SINCE_59 = {*_FILTERS, "hidden", "limit", "marker", "changes-since"}


def migration_view(ctx: Context, migration: Migration) -> dict[str, Any]:
    """What lists of all and lists of one server have in common."""
    view: dict[str, Any] = {
        "id": migration.number,
        "source_compute": migration.source_host,
        "source_node": migration.source_host,
        "dest_compute": migration.destination_host,
        "dest_host": migration.destination_address or None,
        "dest_node": migration.destination_host,
        "status": migration.status,
        "created_at": iso_micro(migration.created_at),
        "updated_at": iso_micro(migration.updated_at),
    }
    if ctx.version >= (2, 59):
        view["uuid"] = migration.id
    if ctx.version >= (2, 80):
        view |= {"user_id": migration.user_id, "project_id": migration.project_id}
    return view


def _view(ctx: Context, migration: Migration, links: Links) -> dict[str, Any]:
    view = {
        **migration_view(ctx, migration),
        "instance_uuid": migration.server_id,
        "old_instance_type_id": migration.old_flavor_id,
        "new_instance_type_id": migration.new_flavor_id,
    }
    if ctx.version >= (2, 23):
        view["migration_type"] = migration.kind
        if migration.kind == LIVE and migration.is_under_way:
            path = f"servers/{migration.server_id}/migrations"
            view["links"] = links.of(path, str(migration.number))
    return view


@route("GET", "/v2.1/os-migrations", rule="compute:migrations")
async def list_migrations(request: Request[Any, Any, Any], ctx: Context, migrations: Migrations, links: Links) -> dict[str, Any]:
    query, newest_first = request.query_params, [("created_at", True), ("number", True)]
    is_paged = ctx.version >= (2, 59)
    if is_paged:
        known = _SINCE_59 | ({"changes-before"} if ctx.version >= (2, 66) else set())
        known |= {"user_id", "project_id"} if ctx.version >= (2, 80) else set()
        refuse_unknown(query, known)
    page = parse_page(query, [], newest_first) if is_paged else Page(sort=newest_first)
    wanted = _filter(ctx, query)
    if query.get("hidden", "false").lower() in ("true", "1", "yes", "on"):
        # No migration is ever hidden here.
        return {"migrations": []}
    found = await migrations.page(page, wanted)
    answer: dict[str, Any] = {"migrations": [_view(ctx, migration, links) for migration in found]}
    if is_paged and len(found) == page.limit:
        url = links.url("os-migrations")
        answer["migrations_links"] = [{"rel": "next", "href": next_link(url, query, found[-1].id)}]
    return answer


def _filter(ctx: Context, query: Any) -> MigrationFilter:
    wanted = MigrationFilter(**{name: query[key] for key, name in _FILTERS.items() if key in query})
    if ctx.version >= (2, 80):
        wanted.user_id, wanted.project_id = query.get("user_id"), query.get("project_id")
    if ctx.version >= (2, 59):
        wanted.changed_since = _moment(query, "changes-since")
    if ctx.version >= (2, 66):
        wanted.changed_before = _moment(query, "changes-before")
        if wanted.changed_since and wanted.changed_before and wanted.changed_since > wanted.changed_before:
            raise BadRequest(reason="The value of changes-since must be less than or equal to changes-before.")
    return wanted


def _moment(query: Any, key: str) -> datetime | None:
    if key not in query:
        return None
    try:
        return parse(query[key])
    except ValueError:
        raise BadRequest(reason=f"Invalid input for query parameters {key}. Value: {query[key]}.") from None
