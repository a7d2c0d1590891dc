"""Domains, projects, users, groups, roles, regions, services and endpoints: the whole life of each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import EmbeddedCloud

pytestmark = pytest.mark.services("identity")

NOUNS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("domains", "domain", {"name": "d1"}, {"description": "changed", "enabled": False}),
    ("projects", "project", {"name": "p1", "tags": ["a"]}, {"description": "changed"}),
    ("users", "user", {"name": "u1", "password": "x"}, {"email": "u1@example.org", "enabled": False}),
    ("groups", "group", {"name": "g1"}, {"description": "changed"}),
    ("roles", "role", {"name": "r1"}, {"name": "r2"}),
    ("regions", "region", {"id": "west"}, {"description": "changed"}),
    ("services", "service", {"type": "dns", "name": "designate"}, {"enabled": False}),
    ("policies", "policy", {"type": "application/json", "blob": "{}"}, {"blob": "[]"}),
]


@pytest.mark.both_databases
@pytest.mark.parametrize(("collection", "noun", "body", "change"), NOUNS, ids=[n[0] for n in NOUNS])
async def test_life_of_a_record(cloud: EmbeddedCloud, collection: str, noun: str, body: dict[str, Any], change: dict[str, Any]) -> None:
    base = f"/identity/v3/{collection}"
    made = await cloud.request("POST", base, as_="admin", json={noun: body})
    assert made.status_code == 201, made.text
    record = made.json()[noun]
    assert record["links"]["self"].endswith(f"/v3/{collection}/{record['id']}")
    assert record["id"] in [r["id"] for r in (await cloud.request("GET", base, as_="admin")).json()[collection]]
    changed = (await cloud.request("PATCH", f"{base}/{record['id']}", as_="admin", json={noun: change})).json()[noun]
    assert changed == {**record, **change}
    assert (await cloud.request("GET", f"{base}/{record['id']}", as_="admin")).json()[noun] == changed
    assert (await cloud.request("POST", base, json={noun: body})).status_code == 403
    assert (await cloud.request("DELETE", f"{base}/{record['id']}", as_="admin")).status_code == 204
    assert (await cloud.request("GET", f"{base}/{record['id']}", as_="admin")).status_code == 404
    assert (await cloud.request("DELETE", f"{base}/{record['id']}", as_="admin")).status_code == 404


@pytest.mark.both_databases
async def test_a_name_taken_is_a_conflict(cloud: EmbeddedCloud) -> None:
    answer = await cloud.request("POST", "/identity/v3/projects", as_="admin", json={"project": {"name": "demo"}})
    assert answer.status_code == 409
    assert "demo" in answer.json()["error"]["message"]


@pytest.mark.both_databases
async def test_groups_carry_roles_to_their_members(cloud: EmbeddedCloud) -> None:
    group = (await cloud.request("POST", "/identity/v3/groups", as_="admin", json={"group": {"name": "ops"}})).json()["group"]["id"]
    user = (await cloud.request("GET", "/identity/v3/users?name=other", as_="admin")).json()["users"][0]["id"]
    role = (await cloud.request("GET", "/identity/v3/roles?name=manager", as_="admin")).json()["roles"][0]["id"]
    assert (await cloud.request("PUT", f"/identity/v3/groups/{group}/users/{user}", as_="admin")).status_code == 204
    assert (await cloud.request("HEAD", f"/identity/v3/groups/{group}/users/{user}", as_="admin")).status_code == 204
    assert (
        await cloud.request("PUT", f"/identity/v3/projects/{cloud.projects['demo']}/groups/{group}/roles/{role}", as_="admin")
    ).status_code == 204
    names = {p["name"] for p in (await cloud.request("GET", f"/identity/v3/users/{user}/projects", as_="other")).json()["projects"]}
    assert names == {"demo", "other"}


async def test_an_endpoint_needs_its_service(cloud: EmbeddedCloud) -> None:
    body = {"service_id": "nope", "interface": "public", "url": "http://x"}
    assert (await cloud.request("POST", "/identity/v3/endpoints", as_="admin", json={"endpoint": body})).status_code == 404
    body["interface"] = "sideways"
    answer = await cloud.request("POST", "/identity/v3/endpoints", as_="admin", json={"endpoint": body})
    assert answer.status_code == 400
    assert "sideways" in answer.json()["error"]["message"]


async def test_bootstrap_twice_changes_nothing(cloud: EmbeddedCloud) -> None:
    from cloudd.identity.bootstrap import bootstrap

    assert await bootstrap(cloud.cloud, "admin-password") is False
    assert await bootstrap(cloud.cloud, "another") is True


async def test_a_region_may_be_put_under_a_name_or_come_with_an_endpoint(cloud: EmbeddedCloud) -> None:
    made = await cloud.request("PUT", "/identity/v3/regions/north", as_="admin", json={"region": {"description": "cold"}})
    assert (made.status_code, made.json()["region"]["id"]) == (201, "north")
    assert (await cloud.request("PUT", "/identity/v3/regions/north", as_="admin", json={"region": {}})).status_code == 409
    assert (await cloud.request("PUT", "/identity/v3/regions/north", as_="admin", json={"region": {"id": "south"}})).status_code == 400
    service = (await cloud.request("GET", "/identity/v3/services?type=image", as_="admin")).json()["services"][0]["id"]
    body = {"service_id": service, "interface": "public", "url": "http://x"}
    for _ in range(2):
        endpoint = await cloud.request("POST", "/identity/v3/endpoints", as_="admin", json={"endpoint": {**body, "region": "old"}})
        assert (endpoint.status_code, endpoint.json()["endpoint"]["region_id"]) == (201, "old")
    assert (await cloud.request("GET", "/identity/v3/regions/old", as_="admin")).status_code == 200
    path = f"/identity/v3/endpoints/{endpoint.json()['endpoint']['id']}"
    moved = await cloud.request("PATCH", path, as_="admin", json={"endpoint": {"region": "new", "enabled": False}})
    assert (moved.json()["endpoint"]["region_id"], moved.json()["endpoint"]["enabled"]) == ("new", False)
    for nowhere in ({"region_id": "nowhere"}, {"service_id": "none"}):
        assert (await cloud.request("PATCH", path, as_="admin", json={"endpoint": nowhere})).status_code == 404
    assert (await cloud.request("GET", path, as_="admin")).json() == moved.json()
    unknown = await cloud.request("POST", "/identity/v3/endpoints", as_="admin", json={"endpoint": {**body, "region_id": "nowhere"}})
    assert unknown.status_code == 404


async def test_a_slash_at_the_end_names_the_collection(cloud: EmbeddedCloud) -> None:
    for path in ("/identity/v3/users", "/identity/v3/OS-TRUST/trusts"):
        with_slash, without = [await cloud.request("GET", path + end, as_="admin") for end in ("/", "")]
        assert (with_slash.status_code, with_slash.json()) == (200, without.json())
