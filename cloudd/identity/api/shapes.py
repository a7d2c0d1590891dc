"""Links and lists as identity's answers carry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Request

from cloudd.kit.paging import Page, parse_page
from cloudd.kit.settings import ApiSettings


class Links:
    """Builds self links from the cloud's public address."""

    def __init__(self, api: ApiSettings) -> None:
        self.base = f"{api.public_url}/identity/v3"

    def one(self, collection: str, body: dict[str, Any]) -> dict[str, Any]:
        """The body with its ``links.self``."""
        return {**body, "links": {"self": f"{self.base}/{collection}/{body['id']}"}}

    def many(self, collection: str, bodies: Sequence[dict[str, Any]], key: str | None = None) -> dict[str, Any]:
        """A list answer with its links."""
        shown = [self.one(collection, body) for body in bodies]
        return {key or collection: shown, "links": {"next": None, "self": f"{self.base}/{collection}", "previous": None}}


def page_of(request: Request[Any, Any, Any], sortable: Sequence[str]) -> Page:
    """The page a list request asks for, by name where nothing else is said."""
    first = "name" if "name" in sortable else "id"
    return parse_page(request.query_params, [*sortable, "id"], [(first, False)], max_limit=10_000)


def changes_of(update: msgspec.Struct) -> dict[str, Any]:
    """The fields that a PATCH body really holds."""
    return {name: value for name, value in msgspec.structs.asdict(update).items() if value is not msgspec.UNSET}


def filters_of(request: Request[Any, Any, Any], *names: str) -> Mapping[str, Any]:
    """Equality filters from the query; ``enabled`` is read as a boolean."""
    found: dict[str, Any] = {name: request.query_params.get(name) for name in names}
    if found.get("enabled") is not None:
        found["enabled"] = str(found["enabled"]).lower() not in ("0", "false", "no", "off")
    return found
