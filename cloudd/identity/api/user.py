"""/v3/users, their projects, groups and passwords."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from msgspec import UNSET, UnsetType

from cloudd.identity.api.group import group_view
from cloudd.identity.api.project import project_view
from cloudd.identity.api.shapes import Links, changes_of, filters_of, page_of
from cloudd.identity.domain.domain import Domains
from cloudd.identity.domain.group import Groups
from cloudd.identity.domain.records import new_id
from cloudd.identity.domain.role import Assignments
from cloudd.identity.domain.user import Users
from cloudd.identity.store.user import User
from cloudd.kit.auth import Context
from cloudd.kit.web import route

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class UserCreate(msgspec.Struct):
    name: Name
    domain_id: str | None = None
    password: str | None = None
    email: str | None = None
    description: str | None = None
    enabled: bool = True
    default_project_id: str | None = None


class UserCreateRequest(msgspec.Struct):
    user: UserCreate


class UserUpdate(msgspec.Struct):
    name: Name | UnsetType = UNSET
    password: str | UnsetType = UNSET
    email: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    default_project_id: str | UnsetType | None = UNSET


class UserUpdateRequest(msgspec.Struct):
    user: UserUpdate


class PasswordChange(msgspec.Struct):
    original_password: str
    password: str


class PasswordChangeRequest(msgspec.Struct):
    user: PasswordChange


def user_view(user: User) -> dict[str, Any]:
    body = {
        "id": user.id, "name": user.name, "domain_id": user.domain_id, "enabled": user.enabled, "email": user.email,
        "description": user.description, "password_expires_at": None, "options": {},
    }  # fmt: skip
    if user.default_project_id is not None:
        body["default_project_id"] = user.default_project_id
    return body


@route("GET", "/v3/users", rule="identity:list_user")
async def list_users(request: Request[Any, Any, Any], users: Users, links: Links) -> dict[str, Any]:
    found = await users.find(page_of(request, ["name"]), filters_of(request, "name", "domain_id", "enabled"))
    return links.many("users", [user_view(u) for u in found])


@route("POST", "/v3/users", rule="identity:create_user", status=201)
async def create_user(ctx: Context, data: UserCreateRequest, users: Users, domains: Domains, links: Links) -> dict[str, Any]:
    u = data.user
    domain = await domains.get(u.domain_id or ctx.project_domain_id or ctx.domain_id or "default")
    encoded = None if u.password is None else await users.passwords.hash(u.password)
    made = User(
        id=new_id(), name=u.name, domain_id=domain.id, email=u.email, description=u.description, enabled=u.enabled,
        default_project_id=u.default_project_id, password_hash=encoded,
    )  # fmt: skip
    return {"user": links.one("users", user_view(await users.create(made)))}


@route("GET", "/v3/users/{user_id:str}", rule="identity:show_user")
async def show_user(user_id: str, users: Users, links: Links) -> dict[str, Any]:
    return {"user": links.one("users", user_view(await users.get(user_id)))}


@route("PATCH", "/v3/users/{user_id:str}", rule="identity:update_user")
async def update_user(user_id: str, data: UserUpdateRequest, users: Users, links: Links) -> dict[str, Any]:
    changes = changes_of(data.user)
    password = changes.pop("password", None)
    user = await users.update(user_id, changes)
    if password is not None:
        await users.set_password(user_id, password)
    return {"user": links.one("users", user_view(user))}


@route("DELETE", "/v3/users/{user_id:str}", rule="identity:delete_user", status=204)
async def delete_user(user_id: str, users: Users) -> None:
    await users.delete(user_id)


@route("POST", "/v3/users/{user_id:str}/password", rule="identity:change_password", status=204)
async def change_password(user_id: str, data: PasswordChangeRequest, users: Users) -> None:
    await users.change_password(user_id, data.user.original_password, data.user.password)


@route("GET", "/v3/users/{user_id:str}/projects", rule="identity:list_user_projects")
async def list_user_projects(user_id: str, users: Users, assignments: Assignments, links: Links) -> dict[str, Any]:
    await users.get(user_id)
    return links.many("projects", [project_view(p) for p in await assignments.projects_of(user_id)])


@route("GET", "/v3/users/{user_id:str}/groups", rule="identity:list_user_groups")
async def list_user_groups(user_id: str, users: Users, groups: Groups, links: Links) -> dict[str, Any]:
    await users.get(user_id)
    return links.many("groups", [group_view(g) for g in await groups.of_user(user_id)])


@route("GET", "/v3/groups/{group_id:str}/users", rule="identity:group_members")
async def list_group_members(group_id: str, groups: Groups, links: Links) -> dict[str, Any]:
    return links.many("users", [user_view(u) for u in await groups.members(group_id)])
