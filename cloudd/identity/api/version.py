"""Version documents."""

from __future__ import annotations

from typing import Any

from litestar import Response

from cloudd.identity.api.shapes import Links
from cloudd.kit.web import PUBLIC, route


def _version(links: Links) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{links.base}/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


@route("GET", "/", rule=PUBLIC, status=300)
async def list_versions(links: Links) -> dict[str, Any]:
    return {"versions": {"values": [_version(links)]}}


@route("GET", "/v3", rule=PUBLIC)
async def show_version(links: Links) -> Response[dict[str, Any]]:
    return Response({"version": _version(links)})
