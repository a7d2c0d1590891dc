"""Quota sets and limits over HTTP."""

from typing import Any

import msgspec
from litestar import Request, Response

from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest, Forbidden, NotFound
from cloudd.volume.api.path import nothing, on
from cloudd.volume.domain.listing import is_true
from cloudd.volume.domain.quota import DEFAULT_CLASS, Quotas


class QuotaSetUpdate(msgspec.Struct):
    """By resource its limit; keys that name the project or ask to skip checks are let pass."""

    quota_set: dict[str, int | str]


_IGNORED = frozenset({"id", "tenant_id", "project_id", "skip_validation", "force"})


def own(ctx: Context, target_id: str) -> None:
    if not ctx.may_see(target_id):
        raise Forbidden(rule="volume:get_quota_set")


def limit_of(resource: str, value: int | str) -> int:
    try:
        limit = int(value)
    except ValueError:
        limit = -2
    if not -1 <= limit < 2**31:
        raise BadRequest(reason=f"Quota limit for {resource} must be a whole number of at least -1, not {value!r}.")
    return limit


@on("GET", "/os-quota-sets/{target_id:str}", rule="volume:get_quota_set")
async def show_quota_set(ctx: Context, target_id: str, request: Request[Any, Any, Any], quotas: Quotas) -> dict[str, Any]:
    own(ctx, target_id)
    limits: dict[str, Any] = dict(await quotas.limits(target_id))
    if is_true(request.query_params.get("usage")):
        used = await quotas.usage(target_id)
        limits = {name: {"limit": limit, "in_use": used[name], "reserved": 0, "allocated": 0} for name, limit in limits.items()}
    return {"quota_set": {"id": target_id, **limits}}


@on("GET", "/os-quota-sets/{target_id:str}/defaults", rule="volume:get_quota_set")
async def show_default_quota_set(ctx: Context, target_id: str, quotas: Quotas) -> dict[str, Any]:
    own(ctx, target_id)
    return {"quota_set": {"id": target_id, **await quotas.defaults()}}


@on("PUT", "/os-quota-sets/{target_id:str}", rule="volume:update_quota_set")
async def update_quota_set(target_id: str, data: QuotaSetUpdate, quotas: Quotas) -> dict[str, Any]:
    limits = {name: limit_of(name, value) for name, value in data.quota_set.items() if name not in _IGNORED}
    return {"quota_set": await quotas.set(target_id, limits)}


@on("DELETE", "/os-quota-sets/{target_id:str}", rule="volume:update_quota_set", status=200)
async def reset_quota_set(target_id: str, quotas: Quotas) -> Response[bytes]:
    await quotas.reset(target_id)
    return nothing(200)


class QuotaClassUpdate(msgspec.Struct):
    quota_class_set: dict[str, int | str]


def checked_class(name: str) -> None:
    if name != DEFAULT_CLASS:
        raise NotFound(what=f"Quota class {name}")


@on("GET", "/os-quota-class-sets/{name:str}", rule="volume:manage_quota_classes")
async def show_quota_class(name: str, quotas: Quotas) -> dict[str, Any]:
    checked_class(name)
    return {"quota_class_set": {"id": name, **await quotas.defaults()}}


@on("PUT", "/os-quota-class-sets/{name:str}", rule="volume:manage_quota_classes")
async def update_quota_class(name: str, data: QuotaClassUpdate, quotas: Quotas) -> dict[str, Any]:
    checked_class(name)
    limits = {key: limit_of(key, value) for key, value in data.quota_class_set.items() if key not in _IGNORED}
    return {"quota_class_set": await quotas.set(DEFAULT_CLASS, limits)}


@on("GET", "/limits", rule="volume:get_limits")
async def show_limits(ctx: Context, quotas: Quotas) -> dict[str, Any]:
    limits, used = await quotas.limits(ctx.project), await quotas.usage(ctx.project)
    names = {
        "volumes": ("maxTotalVolumes", "totalVolumesUsed"),
        "gigabytes": ("maxTotalVolumeGigabytes", "totalGigabytesUsed"),
        "snapshots": ("maxTotalSnapshots", "totalSnapshotsUsed"),
        "backups": ("maxTotalBackups", "totalBackupsUsed"),
        "backup_gigabytes": ("maxTotalBackupGigabytes", "totalBackupGigabytesUsed"),
    }
    absolute: dict[str, int] = {}
    for resource, (maximum, usage) in names.items():
        absolute |= {maximum: limits[resource], usage: used[resource]}
    return {"limits": {"rate": [], "absolute": absolute}}
