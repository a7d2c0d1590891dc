"""The version documents, and which microversions are served."""

from typing import Any

from cloudd.compute.api.shapes import Links
from cloudd.kit.microversion import Microversions, written
from cloudd.kit.web import PUBLIC, route

#: the API of before microversions is the oldest of them
OLDER_PATHS = {"/v2/": "/v2.1/"}
VERSIONS = Microversions("compute", (2, 1), (2, 96), "X-OpenStack-Nova-API-Version")


def _old(links: Links) -> dict[str, Any]:
    return {
        "id": "v2.0",
        "links": [{"rel": "self", "href": f"{links.base}/v2/"}],
        "status": "SUPPORTED",
        "version": "",
        "min_version": "",
        "updated": "2011-01-21T11:33:21Z",
    }


def _current(links: Links) -> dict[str, Any]:
    return {
        "id": "v2.1",
        "links": [{"rel": "self", "href": f"{links.base}/v2.1/"}],
        "status": "CURRENT",
        "version": written(VERSIONS.maximum),
        "min_version": written(VERSIONS.minimum),
        "updated": "2013-07-23T11:33:21Z",
    }


@route("GET", "/", rule=PUBLIC)
async def list_versions(links: Links) -> dict[str, Any]:
    return {"versions": [_old(links), _current(links)]}


@route("GET", "/v2.1", rule=PUBLIC)
async def show_version(links: Links) -> dict[str, Any]:
    return _whole(_current(links), "2.1")


@route("GET", "/v2", rule=PUBLIC)
async def show_old_version(links: Links) -> dict[str, Any]:
    return _whole(_old(links), "2")


def _whole(document: dict[str, Any], number: str) -> dict[str, Any]:
    media_types = [{"base": "application/json", "type": f"application/vnd.openstack.compute+json;version={number}"}]
    help_link = {"rel": "describedby", "href": "https://docs.openstack.org/", "type": "text/html"}
    return {"version": {**document, "media-types": media_types, "links": [*document["links"], help_link]}}
