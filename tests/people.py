"""The users that tests act as: made through the identity API as an operator would."""

from __future__ import annotations

from typing import Any


async def log_in(cloud: Any, user: str, password: str, project: str) -> str:
    """A project-scoped token."""
    domain = {"id": "default"}
    body = {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}},
            "scope": {"project": {"name": project, "domain": domain}},
        }
    }
    answer = await cloud.http.post("/identity/v3/auth/tokens", json=body)
    assert answer.status_code == 201, answer.text
    cloud.projects[user] = answer.json()["token"]["project"]["id"]
    return str(answer.headers["x-subject-token"])


async def add_people(cloud: Any) -> None:
    """Users demo and reader in project demo, other in project other; fills ``tokens`` and ``projects`` by user name."""
    cloud.tokens["admin"] = await log_in(cloud, "admin", "admin-password", "admin")
    roles = {r["name"]: r["id"] for r in (await cloud.request("GET", "/identity/v3/roles", as_="admin")).json()["roles"]}
    for project, people in {"demo": {"demo": "member", "reader": "reader"}, "other": {"other": "member"}}.items():
        made = (await cloud.request("POST", "/identity/v3/projects", as_="admin", json={"project": {"name": project}})).json()["project"]
        for name, role in people.items():
            body = {"user": {"name": name, "password": f"{name}-password"}}
            user = (await cloud.request("POST", "/identity/v3/users", as_="admin", json=body)).json()["user"]
            path = f"/identity/v3/projects/{made['id']}/users/{user['id']}/roles/{roles[role]}"
            assert (await cloud.request("PUT", path, as_="admin")).status_code == 204
            cloud.tokens[name] = await log_in(cloud, name, f"{name}-password", project)
