"""/v3/groups and their members."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from msgspec import UNSET, UnsetType

from cloudd.identity.api.shapes import Links, changes_of, filters_of, page_of
from cloudd.identity.domain.domain import Domains
from cloudd.identity.domain.group import Groups
from cloudd.identity.domain.records import new_id
from cloudd.identity.errors import RecordNotFound
from cloudd.identity.store.group import Group
from cloudd.kit.auth import Context
from cloudd.kit.web import route

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class GroupCreate(msgspec.Struct):
    name: Name
    domain_id: str | None = None
    description: str | None = None


class GroupCreateRequest(msgspec.Struct):
    group: GroupCreate


class GroupUpdate(msgspec.Struct):
    name: Name | UnsetType = UNSET
    description: str | UnsetType = UNSET


class GroupUpdateRequest(msgspec.Struct):
    group: GroupUpdate


def group_view(group: Group) -> dict[str, Any]:
    return {"id": group.id, "name": group.name, "domain_id": group.domain_id, "description": group.description}


@route("GET", "/v3/groups", rule="identity:list_group")
async def list_groups(request: Request[Any, Any, Any], groups: Groups, links: Links) -> dict[str, Any]:
    found = await groups.find(page_of(request, ["name"]), filters_of(request, "name", "domain_id"))
    return links.many("groups", [group_view(g) for g in found])


@route("POST", "/v3/groups", rule="identity:create_group", status=201)
async def create_group(ctx: Context, data: GroupCreateRequest, groups: Groups, domains: Domains, links: Links) -> dict[str, Any]:
    g = data.group
    domain = await domains.get(g.domain_id or ctx.project_domain_id or ctx.domain_id or "default")
    made = await groups.create(Group(id=new_id(), name=g.name, domain_id=domain.id, description=g.description or ""))
    return {"group": links.one("groups", group_view(made))}


@route("GET", "/v3/groups/{group_id:str}", rule="identity:show_group")
async def show_group(group_id: str, groups: Groups, links: Links) -> dict[str, Any]:
    return {"group": links.one("groups", group_view(await groups.get(group_id)))}


@route("PATCH", "/v3/groups/{group_id:str}", rule="identity:update_group")
async def update_group(group_id: str, data: GroupUpdateRequest, groups: Groups, links: Links) -> dict[str, Any]:
    return {"group": links.one("groups", group_view(await groups.update(group_id, changes_of(data.group))))}


@route("DELETE", "/v3/groups/{group_id:str}", rule="identity:delete_group", status=204)
async def delete_group(group_id: str, groups: Groups) -> None:
    await groups.delete(group_id)


@route("PUT", "/v3/groups/{group_id:str}/users/{user_id:str}", rule="identity:group_members", status=204)
async def add_group_member(group_id: str, user_id: str, groups: Groups) -> None:
    await groups.add(group_id, user_id)


@route("HEAD", "/v3/groups/{group_id:str}/users/{user_id:str}", rule="identity:group_members", status=204)
async def check_group_member(group_id: str, user_id: str, groups: Groups) -> None:
    if not await groups.contains(group_id, user_id):
        raise RecordNotFound(noun="user", key=user_id)


@route("DELETE", "/v3/groups/{group_id:str}/users/{user_id:str}", rule="identity:group_members", status=204)
async def remove_group_member(group_id: str, user_id: str, groups: Groups) -> None:
    await groups.remove(group_id, user_id)
