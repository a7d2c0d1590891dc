"""Trusts: who may make and see one, and what a token got through one is worth."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.conftest import EmbeddedCloud

pytestmark = pytest.mark.services("identity")
PATH = "/identity/v3/OS-TRUST/trusts"


async def user_id(cloud: EmbeddedCloud, name: str) -> str:
    return str((await cloud.request("GET", f"/identity/v3/users?name={name}", as_="admin")).json()["users"][0]["id"])


async def trust_of(cloud: EmbeddedCloud, as_: str = "demo", **fields: Any) -> httpx.Response:
    """demo lets `other` act on project demo as a reader."""
    body = {
        "trustor_user_id": await user_id(cloud, "demo"), "trustee_user_id": await user_id(cloud, "other"),
        "project_id": cloud.projects["demo"], "impersonation": True, "roles": [{"name": "reader"}], **fields,
    }  # fmt: skip
    return await cloud.request("POST", PATH, as_=as_, json={"trust": body})


async def log_in(cloud: EmbeddedCloud, trust_id: str, user: str = "other") -> httpx.Response:
    domain = {"id": "default"}
    identity = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": f"{user}-password"}}}
    return await cloud.http.post(
        "/identity/v3/auth/tokens", json={"auth": {"identity": identity, "scope": {"OS-TRUST:trust": {"id": trust_id}}}}
    )


@pytest.mark.parametrize("impersonation", [True, False])
async def test_the_trustee_acts_with_the_trusted_roles_alone(cloud: EmbeddedCloud, impersonation: bool) -> None:
    trust = (await trust_of(cloud, impersonation=impersonation)).json()["trust"]
    answer = await log_in(cloud, trust["id"])
    assert answer.status_code == 201, answer.text
    token = answer.json()["token"]
    assert [role["name"] for role in token["roles"]] == ["reader"]
    assert token["project"]["id"] == cloud.projects["demo"]
    assert token["user"]["name"] == ("demo" if impersonation else "other")
    assert token["OS-TRUST:trust"]["impersonation"] is impersonation
    cloud.tokens["trusted"] = answer.headers["x-subject-token"]
    assert (await cloud.request("GET", "/identity/v3/auth/catalog", as_="trusted")).status_code == 200
    # Neither another token nor another trust comes of it.
    again = {"auth": {"identity": {"methods": ["token"], "token": {"id": cloud.tokens["trusted"]}}}}
    assert (await cloud.http.post("/identity/v3/auth/tokens", json=again)).status_code == 401
    assert (await trust_of(cloud, as_="trusted")).status_code == 403
    assert (await cloud.request("DELETE", f"{PATH}/{trust['id']}")).status_code == 204
    assert (await cloud.request("GET", "/identity/v3/auth/catalog", as_="trusted")).status_code == 401
    assert (await log_in(cloud, trust["id"])).status_code == 401


async def test_a_trust_is_its_parties_business(cloud: EmbeddedCloud) -> None:
    trustor = await user_id(cloud, "demo")
    trust = (await trust_of(cloud)).json()["trust"]
    path = f"{PATH}/{trust['id']}"
    assert (await log_in(cloud, trust["id"], user="reader")).status_code == 403
    assert (await cloud.request("GET", path, as_="reader")).status_code == 403
    assert (await cloud.request("GET", path, as_="other")).json()["trust"] == trust
    assert (await cloud.request("DELETE", path, as_="other")).status_code == 403
    assert (await cloud.request("GET", PATH)).status_code == 403
    assert (await cloud.request("GET", f"{PATH}?trustor_user_id={trustor}", as_="other")).status_code == 403
    assert [t["id"] for t in (await cloud.request("GET", f"{PATH}?trustor_user_id={trustor}")).json()["trusts"]] == [trust["id"]]
    assert [t["id"] for t in (await cloud.request("GET", PATH, as_="admin")).json()["trusts"]] == [trust["id"]]


async def test_the_roles_of_a_trust_can_be_read(cloud: EmbeddedCloud) -> None:
    trust = (await trust_of(cloud)).json()["trust"]
    roles = {r["name"]: r["id"] for r in (await cloud.request("GET", "/identity/v3/roles", as_="admin")).json()["roles"]}
    listed = (await cloud.request("GET", f"{PATH}/{trust['id']}/roles")).json()["roles"]
    assert [role["id"] for role in listed] == [roles["reader"]]
    for role, status in (("reader", 200), ("member", 404)):
        for method in ("GET", "HEAD"):
            assert (await cloud.request(method, f"{PATH}/{trust['id']}/roles/{roles[role]}")).status_code == status


async def test_a_trust_ends_with_the_trustors_own_role(cloud: EmbeddedCloud) -> None:
    trust = (await trust_of(cloud)).json()["trust"]
    roles = {r["name"]: r["id"] for r in (await cloud.request("GET", "/identity/v3/roles", as_="admin")).json()["roles"]}
    grant = f"/identity/v3/projects/{cloud.projects['demo']}/users/{await user_id(cloud, 'demo')}/roles/{roles['member']}"
    assert (await cloud.request("DELETE", grant, as_="admin")).status_code == 204
    assert (await log_in(cloud, trust["id"])).status_code == 401


@pytest.mark.both_databases
async def test_uses_are_counted(cloud: EmbeddedCloud) -> None:
    trust = (await trust_of(cloud, remaining_uses=1)).json()["trust"]
    assert (await log_in(cloud, trust["id"])).status_code == 201
    assert (await log_in(cloud, trust["id"])).status_code == 403
    assert (await cloud.request("GET", f"{PATH}/{trust['id']}")).json()["trust"]["remaining_uses"] == 0


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"roles": []}, 403),
        ({"roles": [{"name": "admin"}]}, 404),
        ({"trustee_user_id": "nobody"}, 404),
        ({"project_id": "nowhere"}, 404),
        ({"expires_at": "bad.123Z"}, 400),
        ({"expires_at": "2001-01-01T00:00:00Z"}, 400),
        ({"allow_redelegation": True}, 403),
    ],
)
async def test_bad_trusts_are_refused(cloud: EmbeddedCloud, fields: dict[str, Any], status: int) -> None:
    assert (await trust_of(cloud, **fields)).status_code == status
    assert (await trust_of(cloud, as_="other")).status_code == 403
