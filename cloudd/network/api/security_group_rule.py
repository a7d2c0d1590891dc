"""/v2.0/security-group-rules."""

from __future__ import annotations

from typing import Any

import msgspec

from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.network.api.query import AnyRequest, Links, common, fields_of, listing, query_of
from cloudd.network.domain.security_group_rule import SecurityGroupRuleCreate, SecurityGroupRules
from cloudd.network.errors import InvalidInput
from cloudd.network.store.security_group_rule import SecurityGroupRule


class RuleCreateRequest(msgspec.Struct):
    """One, or several at once."""

    security_group_rule: SecurityGroupRuleCreate | None = None
    security_group_rules: list[SecurityGroupRuleCreate] | None = None


def rule_view(rule: SecurityGroupRule) -> dict[str, Any]:
    return {
        **common(rule, None),
        "security_group_id": rule.security_group_id,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.remote_ip_prefix,
        "remote_group_id": rule.remote_group_id,
        "remote_address_group_id": None,
        "normalized_cidr": rule.remote_ip_prefix,
        "revision_number": 0,
    }


@route("GET", "/v2.0/security-group-rules", rule="network:get_security_group_rule")
async def list_rules(ctx: Context, request: AnyRequest, security_group_rules: SecurityGroupRules, links: Links) -> dict[str, Any]:
    found = await security_group_rules.page(ctx, query_of(request, security_group_rules))
    return listing(request, links, "security-group-rules", [rule_view(detail.rule) for detail in found])


@route("POST", "/v2.0/security-group-rules", rule="network:create_security_group_rule", status=201)
async def create_rule(ctx: Context, data: RuleCreateRequest, security_group_rules: SecurityGroupRules) -> dict[str, Any]:
    if data.security_group_rules is not None:
        made = await security_group_rules.create(ctx, data.security_group_rules)
        return {"security_group_rules": [rule_view(detail.rule) for detail in made]}
    if data.security_group_rule is None:
        raise InvalidInput(reason="Resource body required", type_name="HTTPBadRequest")
    return {"security_group_rule": rule_view((await security_group_rules.create(ctx, [data.security_group_rule]))[0].rule)}


@route("GET", "/v2.0/security-group-rules/{rule_id:str}", rule="network:get_security_group_rule")
async def show_rule(ctx: Context, request: AnyRequest, rule_id: str, security_group_rules: SecurityGroupRules) -> dict[str, Any]:
    return {"security_group_rule": fields_of(request, rule_view((await security_group_rules.get(ctx, rule_id)).rule))}


@route("DELETE", "/v2.0/security-group-rules/{rule_id:str}", rule="network:delete_security_group_rule", status=204)
async def delete_rule(ctx: Context, rule_id: str, security_group_rules: SecurityGroupRules) -> None:
    await security_group_rules.delete(ctx, rule_id)
