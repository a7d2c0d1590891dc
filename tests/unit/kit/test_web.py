"""What the kit does for every route: empty bodies, request ids, unknown paths, stale tokens."""

from __future__ import annotations

import pytest

from tests.conftest import EmbeddedCloud

pytestmark = pytest.mark.services("identity")


async def test_an_answer_without_content_has_no_body(cloud: EmbeddedCloud) -> None:
    path = f"/identity/v3/projects/{cloud.projects['demo']}/tags/blue"
    answer = await cloud.request("PUT", path, as_="admin")
    assert (answer.status_code, answer.content) == (201, b"")


async def test_every_answer_names_its_request(cloud: EmbeddedCloud) -> None:
    paths = ("/identity/v3", "/identity/nope", "/identity/v3/users")
    ids = {(await cloud.request("GET", path, as_=None)).headers["x-openstack-request-id"] for path in paths}
    assert len(ids) == 3
    assert all(text.startswith("req-") for text in ids)


async def test_unknown_services_and_paths_and_methods(cloud: EmbeddedCloud) -> None:
    assert (await cloud.request("GET", "/nope")).status_code == 404
    assert (await cloud.request("GET", "/identity/v3/nope")).json()["error"]["code"] == 404
    assert (await cloud.request("PUT", "/identity/v3/users")).status_code == 405


@pytest.mark.services("identity", "image")
async def test_an_empty_id_names_nothing_but_where_upstream_has_it_name_the_collection(cloud: EmbeddedCloud) -> None:
    for path, status in (("/identity/v3/users", 200), ("/image/v2/images", 404)):
        assert (await cloud.request("GET", path, as_="admin")).status_code == 200
        assert (await cloud.request("GET", f"{path}/", as_="admin")).status_code == status


async def test_a_stale_token_is_no_obstacle_where_none_is_needed(cloud: EmbeddedCloud) -> None:
    cloud.tokens["stale"] = "gAAAA-nonsense"
    assert (await cloud.request("GET", "/identity/v3", as_="stale")).status_code == 200
    answer = await cloud.request("GET", "/identity/v3/users", as_="stale")
    assert answer.status_code == 401
    assert "Keystone" in answer.headers["www-authenticate"]


async def test_a_broken_body_says_what_is_wrong(cloud: EmbeddedCloud) -> None:
    for body, text in ((b"{", "truncated"), (b'{"project": {"name": 5}}', "Expected `str`"), (b"\xff", "malformed")):
        kind = {"Content-Type": "application/json"}
        answer = await cloud.request("POST", "/identity/v3/projects", as_="admin", content=body, headers=kind)
        assert answer.status_code == 400
        assert text in answer.json()["error"]["message"]


@pytest.mark.services("identity", "image", "placement", "network", "volume", "compute")
async def test_compute_tells_the_requests_id_under_both_names(cloud: EmbeddedCloud) -> None:
    answer = await cloud.request("GET", "/compute/v2.1/flavors")
    assert answer.headers["x-compute-request-id"] == answer.headers["x-openstack-request-id"]
    assert "x-compute-request-id" not in (await cloud.request("GET", "/network/v2.0/networks")).headers
