"""The version document."""

from typing import Any

from cloudd.kit.microversion import Microversions, written
from cloudd.kit.web import PUBLIC, route

VERSIONS = Microversions("placement", (1, 0), (1, 39))


@route("GET", "/", rule=PUBLIC)
async def list_versions() -> dict[str, Any]:
    document = {
        "id": "v1.0",
        "min_version": written(VERSIONS.minimum),
        "max_version": written(VERSIONS.maximum),
        "status": "CURRENT",
        "links": [{"rel": "self", "href": ""}],
    }
    return {"versions": [document]}
