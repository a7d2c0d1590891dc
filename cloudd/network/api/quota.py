"""/v2.0/quotas."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.network.domain.quota import Quotas
from cloudd.network.domain.records import changed

Limit = Annotated[int, msgspec.Meta(ge=-1, le=2147483647)]


class QuotaUpdate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    network: Limit | UnsetType = UNSET
    subnet: Limit | UnsetType = UNSET
    port: Limit | UnsetType = UNSET
    router: Limit | UnsetType = UNSET
    floatingip: Limit | UnsetType = UNSET
    security_group: Limit | UnsetType = UNSET
    security_group_rule: Limit | UnsetType = UNSET
    subnetpool: Limit | UnsetType = UNSET
    #: what the quotas command sends along; quotas here are always enforced
    force: bool | UnsetType = UNSET
    check_limit: bool | UnsetType = UNSET


class QuotaUpdateRequest(msgspec.Struct):
    quota: QuotaUpdate


@route("GET", "/v2.0/quotas", rule="network:list_quotas")
async def list_quotas(quotas: Quotas) -> dict[str, Any]:
    projects = await quotas.projects()
    return {"quotas": [{"project_id": key, "tenant_id": key, **limits} for key, limits in projects.items()]}


@route("GET", "/v2.0/quotas/tenant", rule="network:own_quota_project")
async def show_own_tenant(ctx: Context) -> dict[str, Any]:
    return {"tenant": {"tenant_id": ctx.project, "project_id": ctx.project}}


@route("GET", "/v2.0/quotas/project", rule="network:own_quota_project")
async def show_own_project(ctx: Context) -> dict[str, Any]:
    return {"project": {"tenant_id": ctx.project, "project_id": ctx.project}}


@route("GET", "/v2.0/quotas/{project_id:str}", rule="network:get_quota")
async def show_quota(project_id: str, quotas: Quotas) -> dict[str, Any]:
    return {"quota": {"project_id": project_id, **await quotas.limits(project_id)}}


@route("GET", "/v2.0/quotas/{project_id:str}/default", rule="network:get_quota")
async def show_default_quota(project_id: str, quotas: Quotas) -> dict[str, Any]:
    return {"quota": {"project_id": project_id, **quotas.defaults}}


@route("GET", "/v2.0/quotas/{project_id:str}/details.json", rule="network:get_quota")
async def show_quota_details_json(project_id: str, quotas: Quotas) -> dict[str, Any]:
    return await _details(project_id, quotas)


@route("GET", "/v2.0/quotas/{project_id:str}/details", rule="network:get_quota")
async def show_quota_details(project_id: str, quotas: Quotas) -> dict[str, Any]:
    return await _details(project_id, quotas)


async def _details(project_id: str, quotas: Quotas) -> dict[str, Any]:
    limits, usage = await quotas.limits(project_id), await quotas.usage(project_id)
    return {"quota": {name: {"limit": limit, "used": usage[name], "reserved": 0} for name, limit in limits.items()}}


@route("PUT", "/v2.0/quotas/{project_id:str}", rule="network:update_quota")
async def update_quota(project_id: str, data: QuotaUpdateRequest, quotas: Quotas) -> dict[str, Any]:
    limits = await quotas.set(project_id, changed(data.quota, *quotas.defaults))
    return {"quota": {"project_id": project_id, **limits}}


@route("DELETE", "/v2.0/quotas/{project_id:str}", rule="network:delete_quota", status=204)
async def delete_quota(project_id: str, quotas: Quotas) -> None:
    await quotas.reset(project_id)
