"""/v3/roles, grants and role assignments."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.handlers import HTTPRouteHandler
from msgspec import UNSET, UnsetType

from cloudd.identity.api.shapes import Links, changes_of, filters_of, page_of
from cloudd.identity.domain.assignment_names import AssignmentNames
from cloudd.identity.domain.records import new_id
from cloudd.identity.domain.role import Assignments, Roles
from cloudd.identity.errors import RecordNotFound
from cloudd.identity.store.role import Assignment, Role
from cloudd.kit.web import route

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class RoleCreate(msgspec.Struct):
    name: Name
    domain_id: str | None = None
    description: str | None = None


class RoleCreateRequest(msgspec.Struct):
    role: RoleCreate


class RoleUpdate(msgspec.Struct):
    name: Name | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


class RoleUpdateRequest(msgspec.Struct):
    role: RoleUpdate


def role_view(role: Role) -> dict[str, Any]:
    return {"id": role.id, "name": role.name, "domain_id": role.domain_id, "description": role.description, "options": {}}


@route("GET", "/v3/roles", rule="identity:list_role")
async def list_roles(request: Request[Any, Any, Any], roles: Roles, links: Links) -> dict[str, Any]:
    found = await roles.find(page_of(request, ["name"]), filters_of(request, "name", "domain_id"))
    return links.many("roles", [role_view(r) for r in found])


@route("POST", "/v3/roles", rule="identity:create_role", status=201)
async def create_role(data: RoleCreateRequest, roles: Roles, links: Links) -> dict[str, Any]:
    r = data.role
    made = await roles.create(Role(id=new_id(), name=r.name, domain_id=r.domain_id, description=r.description))
    return {"role": links.one("roles", role_view(made))}


@route("GET", "/v3/roles/{role_id:str}", rule="identity:show_role")
async def show_role(role_id: str, roles: Roles, links: Links) -> dict[str, Any]:
    return {"role": links.one("roles", role_view(await roles.get(role_id)))}


@route("PATCH", "/v3/roles/{role_id:str}", rule="identity:update_role")
async def update_role(role_id: str, data: RoleUpdateRequest, roles: Roles, links: Links) -> dict[str, Any]:
    return {"role": links.one("roles", role_view(await roles.update(role_id, changes_of(data.role))))}


@route("DELETE", "/v3/roles/{role_id:str}", rule="identity:delete_role", status=204)
async def delete_role(role_id: str, roles: Roles) -> None:
    await roles.delete(role_id)


def _grant_routes(prefix: str, target: str, actor: str, inherited: bool) -> list[HTTPRouteHandler]:
    """The four routes of grants to one kind of actor on one kind of target. The system has no id in its path."""
    target_path = f"{target}s/{{target_id:str}}" if target != "system" else "system"
    base = f"/v3{prefix}/{target_path}/{actor}s/{{actor_id:str}}/roles"
    suffix = "/inherited_to_projects" if inherited else ""
    one = f"{base}/{{role_id:str}}{suffix}"

    @route("GET", base + suffix, rule="identity:grants")
    async def list_grants(request: Request[Any, Any, Any], actor_id: str, assignments: Assignments, links: Links) -> dict[str, Any]:
        target_id = request.path_params.get("target_id", "all")
        found = await assignments.granted(actor, actor_id, target, target_id, inherited)
        return links.many("roles", [role_view(r) for r in found])

    @route("PUT", one, rule="identity:grants", status=204)
    async def grant(request: Request[Any, Any, Any], actor_id: str, role_id: str, assignments: Assignments) -> None:
        await assignments.grant(role_id, actor, actor_id, target, request.path_params.get("target_id", "all"), inherited)

    @route("HEAD", one, rule="identity:grants", status=204)
    async def check_grant(request: Request[Any, Any, Any], actor_id: str, role_id: str, assignments: Assignments) -> None:
        if not await assignments.holds(role_id, actor, actor_id, target, request.path_params.get("target_id", "all"), inherited):
            raise RecordNotFound(noun="role assignment", key=role_id)

    @route("DELETE", one, rule="identity:grants", status=204)
    async def revoke(request: Request[Any, Any, Any], actor_id: str, role_id: str, assignments: Assignments) -> None:
        await assignments.revoke(role_id, actor, actor_id, target, request.path_params.get("target_id", "all"), inherited)

    return [list_grants, grant, check_grant, revoke]


GRANT_ROUTES = [
    handler
    for target in ("project", "domain", "system")
    for actor in ("user", "group")
    for inherited in ((False, True) if target != "system" else (False,))
    for handler in _grant_routes("/OS-INHERIT" if inherited else "", target, actor, inherited)
]


@route("GET", "/v3/role_assignments", rule="identity:list_role_assignments")
async def list_role_assignments(
    request: Request[Any, Any, Any], assignments: Assignments, names: AssignmentNames, links: Links
) -> dict[str, Any]:
    query = request.query_params
    where: dict[str, str | None] = {"role_id": query.get("role.id")}
    if "user.id" in query or "group.id" in query:
        where["actor"] = "user" if "user.id" in query else "group"
        where["actor_id"] = query.get("user.id") or query.get("group.id")
    for target in ("project", "domain"):
        if f"scope.{target}.id" in query:
            where |= {"target": target, "target_id": query[f"scope.{target}.id"]}
    if "scope.system" in query:
        where |= {"target": "system"}
    found = await assignments.find(**where)
    named = query.get("include_names", "").lower() in ("1", "true", "") and "include_names" in query
    known = await names.of(found) if named else {}
    return {"role_assignments": [_assignment_view(a, known, links) for a in found], "links": {"self": f"{links.base}/role_assignments"}}


def _assignment_view(a: Assignment, names: dict[str, dict[str, Any]], links: Links) -> dict[str, Any]:
    scope: dict[str, Any] = (
        {"system": {"all": True}} if a.target == "system" else {a.target: {"id": a.target_id, **names.get(a.target_id, {})}}
    )
    if a.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
    target = "system" if a.target == "system" else f"{a.target}s/{a.target_id}"
    return {
        "role": {"id": a.role_id, **names.get(a.role_id, {})},
        a.actor: {"id": a.actor_id, **names.get(a.actor_id, {})},
        "scope": scope,
        "links": {"assignment": f"{links.base}/{target}/{a.actor}s/{a.actor_id}/roles/{a.role_id}"},
    }
