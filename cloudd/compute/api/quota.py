"""/v2.1/os-quota-sets."""

from typing import Any

import msgspec
from litestar import Response
from msgspec import UNSET, UnsetType

from cloudd.compute.api.shapes import Count, Truth, truth
from cloudd.compute.domain.quota import RESOURCES, Quotas
from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest
from cloudd.kit.web import route

# Resources of the time when compute kept networks and files itself: nothing limits them, and nothing here makes them.
_NETWORK = {"floating_ips": -1, "fixed_ips": -1, "security_groups": -1, "security_group_rules": -1}
_FILES = {"injected_files": 0, "injected_file_content_bytes": 0, "injected_file_path_bytes": 0}


class QuotaSet(msgspec.Struct, forbid_unknown_fields=True):
    instances: Count | UnsetType = UNSET
    cores: Count | UnsetType = UNSET
    ram: Count | UnsetType = UNSET
    metadata_items: Count | UnsetType = UNSET
    key_pairs: Count | UnsetType = UNSET
    server_groups: Count | UnsetType = UNSET
    server_group_members: Count | UnsetType = UNSET
    floating_ips: Count | UnsetType = UNSET
    fixed_ips: Count | UnsetType = UNSET
    security_groups: Count | UnsetType = UNSET
    security_group_rules: Count | UnsetType = UNSET
    injected_files: Count | UnsetType = UNSET
    injected_file_content_bytes: Count | UnsetType = UNSET
    injected_file_path_bytes: Count | UnsetType = UNSET
    force: Truth = False
    tenant_id: str | UnsetType = UNSET


class QuotaSetRequest(msgspec.Struct, forbid_unknown_fields=True):
    quota_set: QuotaSet


def quota_set(ctx: Context, limits: dict[str, int]) -> dict[str, int]:
    """The limits with those that this microversion still shows beside them."""
    return {**limits, **(_NETWORK if ctx.version < (2, 36) else {}), **(_FILES if ctx.version < (2, 57) else {})}


@route("GET", "/v2.1/os-quota-sets/{project_id:str}", rule="compute:quotas:show")
async def show_quotas(ctx: Context, quotas: Quotas, project_id: str) -> dict[str, Any]:
    return {"quota_set": {"id": project_id, **quota_set(ctx, await quotas.show(project_id))}}


@route("GET", "/v2.1/os-quota-sets/{project_id:str}/defaults", rule="compute:quotas:defaults")
async def show_default_quotas(ctx: Context, quotas: Quotas, project_id: str) -> dict[str, Any]:
    return {"quota_set": {"id": project_id, **quota_set(ctx, quotas.defaults)}}


@route("GET", "/v2.1/os-quota-sets/{project_id:str}/detail", rule="compute:quotas:show")
async def show_quota_usage(ctx: Context, quotas: Quotas, project_id: str) -> dict[str, Any]:
    used = await quotas.usage(project_id)
    limits = quota_set(ctx, await quotas.show(project_id))
    detail = {name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0} for name, limit in limits.items()}
    return {"quota_set": {"id": project_id, **detail}}


@route("PUT", "/v2.1/os-quota-sets/{project_id:str}", rule="compute:quotas:manage")
async def update_quotas(ctx: Context, quotas: Quotas, project_id: str, data: QuotaSetRequest) -> dict[str, Any]:
    wanted, known = data.quota_set, {*RESOURCES, *quota_set(ctx, {})}
    limits: dict[str, int] = {}
    for name in wanted.__struct_fields__:
        value = getattr(wanted, name)
        if value is UNSET or name in ("force", "tenant_id"):
            continue
        if name not in known:
            raise BadRequest(reason=f"Additional properties are not allowed ('{name}' was unexpected).")
        limit = int(value)
        if not -1 <= limit <= 0x7FFFFFFF:
            raise BadRequest(reason=f"Invalid input for field/attribute {name}. Value: {limit}. It must be -1 or more.")
        if name in RESOURCES:
            limits[name] = limit
    return {"quota_set": quota_set(ctx, await quotas.set(project_id, limits, force=truth(wanted.force, "force")))}


@route("DELETE", "/v2.1/os-quota-sets/{project_id:str}", rule="compute:quotas:manage", status=202)
async def delete_quotas(quotas: Quotas, project_id: str) -> Response[None]:
    await quotas.reset(project_id)
    return Response(None, status_code=202)
