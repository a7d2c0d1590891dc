"""What a list's query asks for, and the answers' common form: filters, pages, fields, times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from litestar import Request

from cloudd.kit.clock import iso_z
from cloudd.kit.paging import Page, parse_page
from cloudd.network.domain.records import Query, Records

TAG_FILTERS = ("tags", "tags-any", "not-tags", "not-tags-any")
RESERVED = ("fields", "limit", "marker", "sort_key", "sort_dir", "page_reverse", "verbose", *TAG_FILTERS)
AnyRequest = Request[Any, Any, Any]


class Links:
    """Builds the links of pages from the public address."""

    def __init__(self, public_url: str) -> None:
        self.base = f"{public_url.rstrip('/')}/network/v2.0"


def query_of(request: AnyRequest, records: Records[Any, Any]) -> Query:
    """The list's query. Raises BadRequest for limits and sort keys that are none."""
    params = request.query_params
    page = parse_page(params, records.columns, [("created_at", False)])
    reverse = params.get("page_reverse", "").lower() in ("true", "1")
    if reverse:
        page = Page(page.limit, page.marker, [(column, not descending) for column, descending in [*page.sort, ("id", False)]])
    filters: dict[str, list[str]] = {}
    tag_filters: dict[str, list[str]] = {}
    for name, value in params.multi_items():
        if name in TAG_FILTERS:
            tag_filters.setdefault(name, []).append(value)
        elif name not in RESERVED:
            filters.setdefault(name, []).append(value)
    return Query(page=page, filters=filters, tag_filters=tag_filters, reverse=reverse)


def fields_of(request: AnyRequest, view: dict[str, Any]) -> dict[str, Any]:
    """The view, or only the fields that the query names."""
    wanted = request.query_params.getall("fields", [])
    return {name: view[name] for name in wanted if name in view} if any(wanted) else view


def listing(request: AnyRequest, links: Links, collection: str, views: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The answer of a list, with links to its neighbours where a limit was asked for."""
    answer: dict[str, Any] = {collection.replace("-", "_"): [fields_of(request, view) for view in views]}
    asked = request.query_params.get("limit", "")
    if asked.isdigit() and int(asked) > 0 and views:
        reverse = request.query_params.get("page_reverse", "").lower() in ("true", "1")
        found: list[dict[str, str]] = []
        full = len(views) >= int(asked)
        if full or reverse:
            found.append({"rel": "next", "href": _href(request, links, collection, views[-1]["id"], reverse=False)})
        if "marker" in request.query_params and (full or not reverse):
            found.append({"rel": "previous", "href": _href(request, links, collection, views[0]["id"], reverse=True)})
        if found:
            answer[f"{collection.replace('-', '_')}_links"] = found
    return answer


def _href(request: AnyRequest, links: Links, collection: str, marker: str, *, reverse: bool) -> str:
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in ("marker", "page_reverse")]
    back = [("page_reverse", "True")] if reverse else []
    return f"{links.base}/{collection}?{urlencode([*kept, ('marker', marker), *back])}"


def common(record: Any, tags: Sequence[str] | None) -> dict[str, Any]:
    """What every resource's view holds."""
    view = {
        "id": record.id,
        "project_id": record.project_id,
        "tenant_id": record.project_id,
        "description": record.description,
        "created_at": iso_z(record.created_at),
        "updated_at": iso_z(record.updated_at),
    }
    if tags is not None:
        view["tags"] = list(tags)
    return view
