"""The version documents, at the service's root and at /v2.0."""

from __future__ import annotations

from typing import Any

from cloudd.kit.web import PUBLIC, route
from cloudd.network.api.query import Links

COLLECTIONS = (
    "networks", "subnets", "ports", "routers", "floatingips", "security-groups", "security-group-rules", "subnetpools", "quotas",
    "extensions", "agents", "availability_zones",
)  # fmt: skip


@route("GET", "/", rule=PUBLIC)
async def list_versions(links: Links) -> dict[str, Any]:
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": f"{links.base}/"}]}]}


@route("GET", "/v2.0", rule=PUBLIC)
async def show_version(links: Links) -> dict[str, Any]:
    resources = [
        {"name": name.rstrip("s"), "collection": name, "links": [{"rel": "self", "href": f"{links.base}/{name}"}]} for name in COLLECTIONS
    ]
    return {"resources": resources}
