"""/v2.1/os-security-groups: the network service's groups as compute told them before 2.36, for clients from that time."""

from typing import Annotated, Any

import msgspec

from cloudd.compute.api.project_security_group_rule import rule_view
from cloudd.compute.api.shapes import until
from cloudd.compute.domain.project_security_group import ProjectSecurityGroups
from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.network.client import SecurityGroupDetail

_LAST = 35
Text = Annotated[str, msgspec.Meta(max_length=255)]


class SecurityGroupBody(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    description: Text | None = None


class SecurityGroupRequest(msgspec.Struct):
    security_group: SecurityGroupBody


async def _views(ctx: Context, groups: ProjectSecurityGroups, *wanted: SecurityGroupDetail) -> list[dict[str, Any]]:
    """Only what comes in is told: compute knew of no other rules."""
    names_others = any(rule.remote_group_id for detail in wanted for rule in detail.rules)
    others = {detail.group.id: detail for detail in (await groups.page(ctx) if names_others else [])}
    return [
        {
            "id": detail.group.id,
            "name": detail.group.name,
            "description": detail.group.description,
            "tenant_id": detail.group.project_id,
            "rules": [rule_view(rule, others) for rule in detail.rules if rule.direction == "ingress"],
        }
        for detail in wanted
    ]


async def _one(ctx: Context, groups: ProjectSecurityGroups, detail: SecurityGroupDetail) -> dict[str, Any]:
    (view,) = await _views(ctx, groups, detail)
    return {"security_group": view}


@route("GET", "/v2.1/os-security-groups", rule="compute:security_groups")
async def list_security_groups(ctx: Context, project_security_groups: ProjectSecurityGroups) -> dict[str, Any]:
    until(ctx, _LAST)
    return {"security_groups": await _views(ctx, project_security_groups, *await project_security_groups.page(ctx))}


@route("POST", "/v2.1/os-security-groups", rule="compute:security_groups:manage", status=200)
async def create_security_group(ctx: Context, data: SecurityGroupRequest, project_security_groups: ProjectSecurityGroups) -> dict[str, Any]:
    until(ctx, _LAST)
    wanted = data.security_group
    return await _one(ctx, project_security_groups, await project_security_groups.create(ctx, wanted.name, wanted.description or ""))


@route("GET", "/v2.1/os-security-groups/{group_id:str}", rule="compute:security_groups")
async def show_security_group(ctx: Context, group_id: str, project_security_groups: ProjectSecurityGroups) -> dict[str, Any]:
    until(ctx, _LAST)
    return await _one(ctx, project_security_groups, await project_security_groups.show(ctx, group_id))


@route("PUT", "/v2.1/os-security-groups/{group_id:str}", rule="compute:security_groups:manage")
async def update_security_group(
    ctx: Context, group_id: str, data: SecurityGroupRequest, project_security_groups: ProjectSecurityGroups
) -> dict[str, Any]:
    until(ctx, _LAST)
    wanted = data.security_group
    changed = await project_security_groups.update(ctx, group_id, wanted.name, wanted.description or "")
    return await _one(ctx, project_security_groups, changed)


@route("DELETE", "/v2.1/os-security-groups/{group_id:str}", rule="compute:security_groups:manage", status=202)
async def delete_security_group(ctx: Context, group_id: str, project_security_groups: ProjectSecurityGroups) -> None:
    until(ctx, _LAST)
    await project_security_groups.delete(ctx, group_id)
