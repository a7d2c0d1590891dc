"""/v2.1/os-simple-tenant-usage: what projects used in a period of time."""

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from litestar import Request

from cloudd.compute.api.shapes import Links, refuse_unknown, truth
from cloudd.compute.domain.usage import Period, Usages, uptime_seconds
from cloudd.compute.store.server import Server
from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro, now, parse
from cloudd.kit.errors import BadRequest
from cloudd.kit.paging import Page, next_link, parse_page
from cloudd.kit.web import route

_PATH = "os-simple-tenant-usage"
_PAGED = {"limit", "marker"}
_ORDER = [("project_id", False), ("created_at", False)]


def _server_usage(server: Server, period: Period) -> dict[str, Any]:
    return {
        "instance_id": server.id,
        "name": server.name,
        "hours": period.hours(server),
        "flavor": server.flavor.name,
        "tenant_id": server.project_id,
        "memory_mb": server.memory_mib,
        "local_gb": server.flavor.disk_gib + server.flavor.ephemeral_gib,
        "vcpus": server.vcpus,
        "started_at": iso_micro(server.launched_at),
        "ended_at": iso_micro(server.deleted_at),
        "state": "terminated" if server.deleted_at else server.vm_state,
        "uptime": uptime_seconds(server),
    }


def _project_usage(servers: Sequence[Server], period: Period, *, is_detailed: bool) -> dict[str, Any]:
    """What one project's servers, at least one, add up to: GiB, vCPUs and MiB times hours."""
    usages = [_server_usage(server, period) for server in servers]
    return {
        "tenant_id": servers[0].project_id,
        "start": iso_micro(period.start),
        "stop": iso_micro(period.end),
        "total_hours": sum(one["hours"] for one in usages),
        "total_local_gb_usage": sum(one["local_gb"] * one["hours"] for one in usages),
        "total_vcpus_usage": sum(one["vcpus"] * one["hours"] for one in usages),
        "total_memory_mb_usage": sum(one["memory_mb"] * one["hours"] for one in usages),
        **({"server_usages": usages} if is_detailed else {}),
    }


@route("GET", f"/v2.1/{_PATH}", rule="compute:usage:list")
async def list_usage(request: Request[Any, Any, Any], ctx: Context, usages: Usages, links: Links) -> dict[str, Any]:
    query = request.query_params
    period, page = _period(query), _page(ctx, query, {"start", "end", "detailed"})
    found = await usages.servers_of(period, page=page)
    is_detailed = truth(query.get("detailed"), "detailed")
    answer: dict[str, Any] = {
        "tenant_usages": [
            _project_usage([*servers], period, is_detailed=is_detailed)
            for _, servers in itertools.groupby(found, key=lambda server: server.project_id)
        ]
    }
    return answer | _more(page, found, "tenant_usages_links", links.url(_PATH), query)


@route("GET", f"/v2.1/{_PATH}/{{project_id:str}}", rule="compute:usage:show")
async def show_usage(request: Request[Any, Any, Any], ctx: Context, usages: Usages, links: Links, project_id: str) -> dict[str, Any]:
    query = request.query_params
    period, page = _period(query), _page(ctx, query, {"start", "end"})
    found = await usages.servers_of(period, project_id, page)
    usage = _project_usage(found, period, is_detailed=True) if found else {}
    return {"tenant_usage": usage} | _more(page, found, "tenant_usage_links", links.url(f"{_PATH}/{project_id}"), query)


def _period(query: Any) -> Period:
    present = now()
    period = Period(start=_moment(query, "start", present), end=_moment(query, "end", present))
    if period.start > period.end:
        raise BadRequest(reason="Invalid start time. The start time cannot occur after the end time.")
    return period


def _moment(query: Any, key: str, default: datetime) -> datetime:
    if not query.get(key):
        return default
    try:
        return parse(query[key])
    except ValueError:
        raise BadRequest(reason=f"Datetime is in invalid format: {key}={query[key]}; 2026-01-31T00:00:00 is in a valid one.") from None


def _page(ctx: Context, query: Any, known: set[str]) -> Page | None:
    """The page asked for; None for all there is, where this microversion knows no pages."""
    is_paged = ctx.version >= (2, 40)
    if ctx.version >= (2, 75):
        refuse_unknown(query, known | _PAGED)
    return parse_page(query, [], _ORDER) if is_paged else None


def _more(page: Page | None, found: list[Server], key: str, url: str, query: Any) -> dict[str, Any]:
    """The link to the next page, where there may be one."""
    if page is None or len(found) < page.limit:
        return {}
    return {key: [{"rel": "next", "href": next_link(url, query, found[-1].id)}]}
