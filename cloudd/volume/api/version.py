"""Version documents."""

from typing import Any

from litestar import Response

from cloudd.kit.microversion import Microversions, written
from cloudd.kit.web import PUBLIC, route
from cloudd.volume.api.shapes import Links

VERSIONS = Microversions("volume", (3, 0), (3, 71))


def document(links: Links) -> dict[str, Any]:
    return {
        "id": "v3.0",
        "status": "CURRENT",
        "version": written(VERSIONS.maximum),
        "min_version": written(VERSIONS.minimum),
        "updated": "2023-08-31T00:00:00Z",
        "links": [{"rel": "self", "href": f"{links.base}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    }


@route("GET", "/", rule=PUBLIC, status=300)
async def list_versions(links: Links) -> Response[dict[str, Any]]:
    return Response({"versions": [document(links)]}, status_code=300)


@route("GET", "/v3", rule=PUBLIC)
async def show_version(links: Links) -> dict[str, Any]:
    return {"versions": [document(links)]}
