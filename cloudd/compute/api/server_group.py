"""/v2.1/os-server-groups."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request
from msgspec import UNSET, UnsetType

from cloudd.compute.api.shapes import Name, truth
from cloudd.compute.domain.server_group import ServerGroups
from cloudd.compute.store.server import Server
from cloudd.compute.store.server_group import ServerGroup
from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest
from cloudd.kit.paging import parse_page
from cloudd.kit.web import route

PolicyName = Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]


class GroupRules(msgspec.Struct, forbid_unknown_fields=True):
    max_server_per_host: Annotated[int, msgspec.Meta(ge=1)] | UnsetType = UNSET


class GroupCreate(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    policies: Annotated[list[PolicyName], msgspec.Meta(min_length=1, max_length=1)] | UnsetType = UNSET
    policy: PolicyName | UnsetType = UNSET
    rules: GroupRules | UnsetType = UNSET


class GroupCreateRequest(msgspec.Struct, forbid_unknown_fields=True):
    server_group: GroupCreate


def _view(ctx: Context, group: ServerGroup, members: list[Server]) -> dict[str, Any]:
    view: dict[str, Any] = {"id": group.id, "name": group.name, "members": [server.id for server in members]}
    if ctx.version >= (2, 13):
        view |= {"project_id": group.project_id, "user_id": group.user_id}
    if ctx.version >= (2, 64):
        return {**view, "policy": group.policy, "rules": group.rules}
    return {**view, "policies": [group.policy], "metadata": {}}


@route("GET", "/v2.1/os-server-groups", rule="compute:server_groups")
async def list_groups(request: Request[Any, Any, Any], ctx: Context, server_groups: ServerGroups) -> dict[str, Any]:
    query = request.query_params
    offset = query.get("offset", "0")
    if not offset.isdigit():
        raise BadRequest(reason="offset must be a whole number that is not negative.")
    everything = "all_projects" in query and truth(query["all_projects"] or "true", "all_projects")
    found = await server_groups.page(ctx, all_projects=everything, limit=parse_page(query, [], []).limit, offset=int(offset))
    return {"server_groups": [_view(ctx, group, members) for group, members in found]}


@route("POST", "/v2.1/os-server-groups", rule="compute:server_groups:manage", status=200)
async def create_group(ctx: Context, server_groups: ServerGroups, data: GroupCreateRequest) -> dict[str, Any]:
    wanted = data.server_group
    policy: str | UnsetType = UNSET
    if ctx.version >= (2, 64):
        policy = wanted.policy if wanted.policies is UNSET else UNSET
    elif wanted.policies is not UNSET and wanted.policy is UNSET and wanted.rules is UNSET:
        policy = wanted.policies[0]
    if policy is UNSET:
        raise BadRequest(reason=f"Name {'the policy' if ctx.version >= (2, 64) else 'one of policies'}.")
    if policy.startswith("soft-") and ctx.version < (2, 15):
        raise BadRequest(reason=f"{policy} needs microversion 2.15.")
    rules = {} if wanted.rules is UNSET else msgspec.to_builtins(wanted.rules)
    if rules and policy != "anti-affinity":
        raise BadRequest(reason="Only anti-affinity policy supports rules.")
    return {"server_group": _view(ctx, await server_groups.create(ctx, wanted.name, policy, rules), [])}


@route("GET", "/v2.1/os-server-groups/{group_id:str}", rule="compute:server_groups")
async def show_group(ctx: Context, server_groups: ServerGroups, group_id: str) -> dict[str, Any]:
    return {"server_group": _view(ctx, *await server_groups.get(ctx, group_id))}


@route("DELETE", "/v2.1/os-server-groups/{group_id:str}", rule="compute:server_groups:manage", status=204)
async def delete_group(ctx: Context, server_groups: ServerGroups, group_id: str) -> None:
    await server_groups.delete(ctx, group_id)
