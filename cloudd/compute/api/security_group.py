"""/v2.1/servers/{id}/os-security-groups."""

from typing import Any

from cloudd.compute.domain.security_group import ServerSecurityGroups
from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.network.client import SecurityGroupDetail


def _view(detail: SecurityGroupDetail, names: dict[str, str]) -> dict[str, Any]:
    """As in the days when compute kept the groups: rules let traffic in, and name another group by its name."""
    group = detail.group
    rules = [
        {
            "id": rule.id,
            "parent_group_id": group.id,
            "ip_protocol": rule.protocol,
            "from_port": rule.port_range_min,
            "to_port": rule.port_range_max,
            "ip_range": {"cidr": rule.remote_ip_prefix} if rule.remote_ip_prefix else {},
            "group": {"name": names.get(rule.remote_group_id, ""), "tenant_id": rule.project_id} if rule.remote_group_id else {},
        }
        for rule in detail.rules
        if rule.direction == "ingress"
    ]
    return {"id": group.id, "name": group.name, "description": group.description, "tenant_id": group.project_id, "rules": rules}


@route("GET", "/v2.1/servers/{server_id:str}/os-security-groups", rule="compute:servers:show")
async def list_security_groups(ctx: Context, security_groups: ServerSecurityGroups, server_id: str) -> dict[str, Any]:
    details = await security_groups.list(ctx, server_id)
    names = {detail.group.id: detail.group.name for detail in details}
    return {"security_groups": [_view(detail, names) for detail in details]}
