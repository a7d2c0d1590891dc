"""Version documents."""

from typing import Any

from litestar import Response

from cloudd.image.api.shapes import Links
from cloudd.kit.web import PUBLIC, route

#: what upstream lists where one store is served
_MINORS = (9, 7, 6, 5, 4, 3, 2, 1, 0)


def document(links: Links) -> dict[str, Any]:
    versions = [
        {
            "id": f"v2.{minor}",
            "status": "CURRENT" if minor == _MINORS[0] else "SUPPORTED",
            "links": [{"rel": "self", "href": f"{links.base}/v2/"}],
        }
        for minor in _MINORS
    ]
    return {"versions": versions}


@route("GET", "/", rule=PUBLIC, status=300)
async def list_versions(links: Links) -> Response[dict[str, Any]]:
    return Response(document(links), status_code=300)


@route("GET", "/versions", rule=PUBLIC)
async def list_versions_by_name(links: Links) -> dict[str, Any]:
    return document(links)
