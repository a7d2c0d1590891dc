"""/v2.1/os-security-group-rules: the network service's incoming rules as compute told them before 2.36."""

from collections.abc import Mapping
from typing import Any

import msgspec

from cloudd.compute.api.shapes import Count, until
from cloudd.compute.domain.project_security_group import ProjectSecurityGroups
from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest
from cloudd.kit.web import route
from cloudd.network.client import NewRule, SecurityGroupDetail, SecurityGroupRule

_LAST = 35
_EVERYWHERE = {"IPv4": "0.0.0.0/0", "IPv6": "::/0"}
_ANY = -1


class RuleCreate(msgspec.Struct):
    parent_group_id: str
    ip_protocol: str | None = None
    from_port: Count | None = None
    to_port: Count | None = None
    cidr: str | None = None
    group_id: str | None = None


class RuleCreateRequest(msgspec.Struct):
    security_group_rule: RuleCreate


def rule_view(rule: SecurityGroupRule, groups: Mapping[str, SecurityGroupDetail]) -> dict[str, Any]:
    """Where no port is named all of them are meant: -1, or 1 to 65535 for a protocol that has ports."""
    low, high = rule.port_range_min, rule.port_range_max
    if low is None and high is None:
        low, high = (1, 65535) if rule.protocol in ("tcp", "udp") else (_ANY, _ANY)
    remote = groups.get(rule.remote_group_id or "")
    return {
        "id": rule.id,
        "parent_group_id": rule.security_group_id,
        "ip_protocol": rule.protocol,
        "from_port": low,
        "to_port": _ANY if high is None else high,
        "group": {"name": remote.group.name, "tenant_id": remote.group.project_id} if remote else {},
        "ip_range": {} if rule.remote_group_id else {"cidr": rule.remote_ip_prefix or _EVERYWHERE[rule.ethertype]},
    }


def _port(value: int | str | None) -> int | None:
    return None if value is None or int(value) == _ANY else int(value)


@route("POST", "/v2.1/os-security-group-rules", rule="compute:security_groups:manage", status=200)
async def create_security_group_rule(
    ctx: Context, data: RuleCreateRequest, project_security_groups: ProjectSecurityGroups
) -> dict[str, Any]:
    until(ctx, _LAST)
    wanted = data.security_group_rule
    if wanted.ip_protocol is None and wanted.group_id is None:
        raise BadRequest(reason="Invalid IP protocol None: a rule names a protocol or a group.")
    rule = NewRule(
        security_group_id=wanted.parent_group_id,
        direction="ingress",
        ethertype="IPv6" if ":" in (wanted.cidr or "") else "IPv4",
        protocol=wanted.ip_protocol.lower() if wanted.ip_protocol else None,
        port_range_min=_port(wanted.from_port),
        port_range_max=_port(wanted.to_port),
        remote_ip_prefix=None if wanted.group_id else wanted.cidr or _EVERYWHERE["IPv4"],
        remote_group_id=wanted.group_id,
    )
    made = await project_security_groups.add_rule(ctx, rule)
    remote = {made.remote_group_id: await project_security_groups.show(ctx, made.remote_group_id)} if made.remote_group_id else {}
    return {"security_group_rule": rule_view(made, remote)}


@route("DELETE", "/v2.1/os-security-group-rules/{rule_id:str}", rule="compute:security_groups:manage", status=202)
async def delete_security_group_rule(ctx: Context, rule_id: str, project_security_groups: ProjectSecurityGroups) -> None:
    until(ctx, _LAST)
    await project_security_groups.remove_rule(ctx, rule_id)
