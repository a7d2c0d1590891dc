"""/v2.1/limits: what a project may have, and has."""

from typing import Any

from litestar import Request

from cloudd.compute.domain.quota import Quotas
from cloudd.kit.auth import Context
from cloudd.kit.web import route


@route("GET", "/v2.1/limits", rule="compute:limits")
async def show_limits(request: Request[Any, Any, Any], ctx: Context, quotas: Quotas) -> dict[str, Any]:
    query = request.query_params
    asked = query.get("tenant_id") if ctx.is_admin else None
    project_id = asked or ctx.project
    limits, used = await quotas.show(project_id), await quotas.usage(project_id, ctx.user_id)
    absolute = {
        "maxTotalInstances": limits["instances"],
        "maxTotalCores": limits["cores"],
        "maxTotalRAMSize": limits["ram"],
        "maxTotalKeypairs": limits["key_pairs"],
        "maxServerMeta": limits["metadata_items"],
        "maxServerGroups": limits["server_groups"],
        "maxServerGroupMembers": limits["server_group_members"],
        "totalInstancesUsed": used["instances"],
        "totalCoresUsed": used["cores"],
        "totalRAMUsed": used["ram"],
        "totalServerGroupsUsed": used["server_groups"],
    }
    if ctx.version < (2, 36):
        absolute |= {
            "maxTotalFloatingIps": -1,
            "totalFloatingIpsUsed": 0,
            "maxSecurityGroups": -1,
            "maxSecurityGroupRules": -1,
            "totalSecurityGroupsUsed": 0,
        }
    if ctx.version < (2, 39):
        absolute["maxImageMeta"] = limits["metadata_items"]
    if ctx.version < (2, 57):
        absolute |= {"maxPersonality": 0, "maxPersonalitySize": 0}
    return {"limits": {"rate": [], "absolute": absolute}}
