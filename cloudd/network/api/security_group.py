"""/v2.0/security-groups."""

from __future__ import annotations

from typing import Any

import msgspec

from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.network.api.query import AnyRequest, Links, common, fields_of, listing, query_of
from cloudd.network.api.security_group_rule import rule_view
from cloudd.network.domain.security_group import SecurityGroupCreate, SecurityGroupDetail, SecurityGroups, SecurityGroupUpdate


class SecurityGroupCreateRequest(msgspec.Struct):
    security_group: SecurityGroupCreate


class SecurityGroupUpdateRequest(msgspec.Struct):
    security_group: SecurityGroupUpdate


def view(detail: SecurityGroupDetail) -> dict[str, Any]:
    group = detail.group
    return {
        **common(group, detail.tags),
        "name": group.name,
        "stateful": group.stateful,
        "shared": False,
        "security_group_rules": [rule_view(rule) for rule in detail.rules],
        "revision_number": group.revision,
    }


@route("GET", "/v2.0/security-groups", rule="network:get_security_group")
async def list_security_groups(ctx: Context, request: AnyRequest, security_groups: SecurityGroups, links: Links) -> dict[str, Any]:
    found = await security_groups.page(ctx, query_of(request, security_groups))
    return listing(request, links, "security-groups", [view(detail) for detail in found])


@route("POST", "/v2.0/security-groups", rule="network:create_security_group", status=201)
async def create_security_group(ctx: Context, data: SecurityGroupCreateRequest, security_groups: SecurityGroups) -> dict[str, Any]:
    return {"security_group": view(await security_groups.create(ctx, data.security_group))}


@route("GET", "/v2.0/security-groups/{security_group_id:str}", rule="network:get_security_group")
async def show_security_group(ctx: Context, request: AnyRequest, security_group_id: str, security_groups: SecurityGroups) -> dict[str, Any]:
    return {"security_group": fields_of(request, view(await security_groups.get(ctx, security_group_id)))}


@route("PUT", "/v2.0/security-groups/{security_group_id:str}", rule="network:update_security_group")
async def update_security_group(
    ctx: Context, security_group_id: str, data: SecurityGroupUpdateRequest, security_groups: SecurityGroups
) -> dict[str, Any]:
    return {"security_group": view(await security_groups.update(ctx, security_group_id, data.security_group))}


@route("DELETE", "/v2.0/security-groups/{security_group_id:str}", rule="network:delete_security_group", status=204)
async def delete_security_group(ctx: Context, security_group_id: str, security_groups: SecurityGroups) -> None:
    await security_groups.delete(ctx, security_group_id)
