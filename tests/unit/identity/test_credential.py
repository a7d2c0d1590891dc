"""Credentials: a user's own secrets, an administrator's to see."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.conftest import EmbeddedCloud

pytestmark = pytest.mark.services("identity")
PATH = "/identity/v3/credentials"


async def user_id(cloud: EmbeddedCloud, name: str) -> str:
    return str((await cloud.request("GET", f"/identity/v3/users?name={name}", as_="admin")).json()["users"][0]["id"])


async def body_for(cloud: EmbeddedCloud, user: str = "demo", **fields: Any) -> dict[str, Any]:
    blob = json.dumps({"access": "key", "secret": "word"})
    return {
        "credential": {"type": "ec2", "blob": blob, "user_id": await user_id(cloud, user), "project_id": cloud.projects["demo"], **fields}
    }


async def test_life_of_a_credential(cloud: EmbeddedCloud) -> None:
    made = await cloud.request("POST", PATH, json=await body_for(cloud))
    assert made.status_code == 201, made.text
    credential = made.json()["credential"]
    assert credential["id"] == hashlib.sha256(b"key").hexdigest()
    blob = json.dumps({"access": "key", "secret": "other"})
    changed = await cloud.request("PATCH", f"{PATH}/{credential['id']}", json={"credential": {"blob": blob}})
    assert changed.json()["credential"] == {**credential, "blob": blob}
    for bad in ({"type": "totp", "blob": blob}, {"blob": "no json"}):
        assert (await cloud.request("PATCH", f"{PATH}/{credential['id']}", json={"credential": bad})).status_code == 400
    assert [c["id"] for c in (await cloud.request("GET", f"{PATH}?type=ec2")).json()["credentials"]] == [credential["id"]]
    assert (await cloud.request("DELETE", f"{PATH}/{credential['id']}")).status_code == 204
    assert (await cloud.request("GET", f"{PATH}/{credential['id']}")).status_code == 404


async def test_credentials_belong_to_their_user(cloud: EmbeddedCloud) -> None:
    assert (await cloud.request("POST", PATH, as_="other", json=await body_for(cloud))).status_code == 403
    path = f"{PATH}/{(await cloud.request('POST', PATH, json=await body_for(cloud))).json()['credential']['id']}"
    for method, body in (("GET", None), ("PATCH", {"credential": {"blob": "x"}}), ("DELETE", None)):
        assert (await cloud.request(method, path, as_="other", json=body)).status_code == 403
    assert (await cloud.request("GET", PATH, as_="other")).json()["credentials"] == []
    owner = await user_id(cloud, "demo")
    assert len((await cloud.request("GET", f"{PATH}?user_id={owner}", as_="admin")).json()["credentials"]) == 1
    assert (await cloud.request("DELETE", f"/identity/v3/users/{owner}", as_="admin")).status_code == 204
    assert (await cloud.request("GET", path, as_="admin")).status_code == 404


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"blob": "{}"}, 400), ({"project_id": None}, 400), ({"user_id": "nobody"}, 404), ({"project_id": "nowhere"}, 404)],
    ids=["half a pair", "ec2 without project", "no such user", "no such project"],
)
async def test_bad_credentials_are_refused(cloud: EmbeddedCloud, fields: dict[str, Any], status: int) -> None:
    assert (await cloud.request("POST", PATH, as_="admin", json=await body_for(cloud, **fields))).status_code == status
