"""Tokens: issue, check, revoke, scopes and what voids them."""

from __future__ import annotations

import pytest

from tests.conftest import EmbeddedCloud
from tests.people import log_in

pytestmark = pytest.mark.services("identity")
TOKENS = "/identity/v3/auth/tokens"


async def test_a_token_shown_equals_the_token_issued(cloud: EmbeddedCloud) -> None:
    body = {
        "auth": {
            "identity": {"methods": ["token"], "token": {"id": cloud.tokens["demo"]}},
            "scope": {"project": {"id": cloud.projects["demo"]}},
        }
    }
    issued = await cloud.request("POST", TOKENS, as_=None, json=body)
    assert issued.status_code == 201
    token = issued.headers["x-subject-token"]
    shown = await cloud.request("GET", TOKENS, headers={"X-Subject-Token": token})
    assert shown.json() == issued.json()
    assert {role["name"] for role in shown.json()["token"]["roles"]} == {"member", "reader"}
    assert {"identity", "compute", "image"} <= {entry["type"] for entry in shown.json()["token"]["catalog"]}


@pytest.mark.both_databases
async def test_a_revoked_token_is_gone_at_once(cloud: EmbeddedCloud) -> None:
    token = await log_in(cloud, "demo", "demo-password", "demo")
    mine = {"X-Subject-Token": token}
    assert (await cloud.request("HEAD", TOKENS, headers=mine)).status_code == 200
    assert (await cloud.request("DELETE", TOKENS, headers=mine)).status_code == 204
    assert (await cloud.request("GET", TOKENS, headers=mine)).status_code == 404
    cloud.tokens["late"] = token
    assert (await cloud.request("GET", "/identity/v3/auth/projects", as_="late")).status_code == 401


@pytest.mark.parametrize(
    ("user", "password", "project"),
    [("demo", "wrong", "demo"), ("nobody", "x", "demo"), ("demo", "demo-password", "other"), ("demo", "demo-password", "none")],
)
async def test_log_in_fails_alike_whatever_is_wrong(cloud: EmbeddedCloud, user: str, password: str, project: str) -> None:
    domain = {"id": "default"}
    identity = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}
    answer = await cloud.request(
        "POST", TOKENS, as_=None, json={"auth": {"identity": identity, "scope": {"project": {"name": project, "domain": domain}}}}
    )
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "The request you have made requires authentication."


async def test_a_role_taken_away_voids_the_token(cloud: EmbeddedCloud) -> None:
    found = (await cloud.request("GET", "/identity/v3/role_assignments?include_names=true", as_="admin")).json()["role_assignments"]
    mine = next(a for a in found if a["user"]["name"] == "demo")
    path = f"/identity/v3/projects/{mine['scope']['project']['id']}/users/{mine['user']['id']}/roles/{mine['role']['id']}"
    assert (await cloud.request("GET", "/identity/v3/auth/catalog")).status_code == 200
    assert (await cloud.request("DELETE", path, as_="admin")).status_code == 204
    assert (await cloud.request("GET", "/identity/v3/auth/catalog")).status_code == 401


async def test_a_new_password_voids_old_tokens_and_serves_for_new_ones(cloud: EmbeddedCloud) -> None:
    user = (await cloud.request("GET", "/identity/v3/users?name=demo", as_="admin")).json()["users"][0]["id"]
    body = {"user": {"original_password": "demo-password", "password": "better"}}
    assert (await cloud.request("POST", f"/identity/v3/users/{user}/password", json=body)).status_code == 204
    await log_in(cloud, "demo", "better", "demo")


@pytest.mark.both_databases
async def test_application_credential_logs_in_with_its_roles_only(cloud: EmbeddedCloud) -> None:
    user = (await cloud.request("GET", "/identity/v3/users?name=demo", as_="admin")).json()["users"][0]["id"]
    path = f"/identity/v3/users/{user}/application_credentials"
    made = await cloud.request("POST", path, json={"application_credential": {"name": "ci", "roles": [{"name": "reader"}]}})
    assert made.status_code == 201, made.text
    credential = made.json()["application_credential"]
    identity = {"methods": ["application_credential"], "application_credential": {"id": credential["id"], "secret": credential["secret"]}}
    token = await cloud.request("POST", TOKENS, as_=None, json={"auth": {"identity": identity}})
    assert token.status_code == 201, token.text
    assert [role["name"] for role in token.json()["token"]["roles"]] == ["reader"]
    assert token.json()["token"]["project"]["id"] == cloud.projects["demo"]
    cloud.tokens["ci"] = token.headers["x-subject-token"]
    again = await cloud.request("POST", path, as_="ci", json={"application_credential": {"name": "more"}})
    assert again.status_code == 403, "a restricted credential must not make others"
    identity["application_credential"]["secret"] = "wrong"
    assert (await cloud.request("POST", TOKENS, as_=None, json={"auth": {"identity": identity}})).status_code == 401
    assert (await cloud.request("GET", path, as_="other")).status_code == 403
    assert (await cloud.request("DELETE", f"{path}/{credential['id']}")).status_code == 204


async def test_unscoped_and_system_and_domain_tokens(cloud: EmbeddedCloud) -> None:
    identity = {"methods": ["token"], "token": {"id": cloud.tokens["admin"]}}
    for scope, key in (("unscoped", None), ({"system": {"all": True}}, "system"), ({"domain": {"id": "default"}}, "domain")):
        token = (await cloud.request("POST", TOKENS, as_=None, json={"auth": {"identity": identity, "scope": scope}})).json()["token"]
        assert key is None or key in token
        assert "project" not in token
