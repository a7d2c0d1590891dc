"""Hosts, zones, pools and services over HTTP."""

from typing import Any, Literal

import msgspec
from litestar import Request

from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro, now
from cloudd.kit.errors import BadRequest, NotFound
from cloudd.volume.api.path import on
from cloudd.volume.domain.host import Hosts, is_alive
from cloudd.volume.domain.listing import is_true
from cloudd.volume.drivers.base import GIB
from cloudd.volume.settings import VolumeSettings
from cloudd.volume.store.host import Host

BINARY = "cinder-volume"


class ServiceChange(msgspec.Struct):
    host: str
    binary: str | None = None
    service: str | None = None
    disabled_reason: str | None = None


def service_view(ctx: Context, host: Host) -> dict[str, Any]:
    body: dict[str, Any] = {
        "binary": BINARY,
        "host": f"{host.id}@{host.driver}",
        "zone": host.availability_zone,
        "status": "disabled" if host.disabled else "enabled",
        "state": "up" if is_alive(host) else "down",
        "updated_at": iso_micro(host.updated_at),
        "disabled_reason": host.disabled_reason,
        "replication_status": "disabled",
        "active_backend_id": None,
        "frozen": False,
    }
    if ctx.version >= (3, 7):
        body["cluster"] = None
    if ctx.version >= (3, 49):
        body["backend_state"] = body["state"]
    return body


@on("GET", "/os-services", rule="volume:get_services")
async def list_services(ctx: Context, request: Request[Any, Any, Any], hosts: Hosts) -> dict[str, Any]:
    query = request.query_params
    found = await services_of(ctx, hosts)
    if binary := query.get("binary"):
        found = [service for service in found if service["binary"] == binary]
    if host := query.get("host"):
        found = [service for service in found if host in (service["host"], service["host"].partition("@")[0])]
    return {"services": found}


async def services_of(ctx: Context, hosts: Hosts) -> list[dict[str, Any]]:
    """The hosts' agents, and the scheduler, which is part of every process of the control plane."""
    found = [service_view(ctx, host) for host in await hosts.all()]
    scheduler: dict[str, Any] = {
        "binary": "cinder-scheduler", "host": "cloudd", "zone": hosts.cloud.settings.section(VolumeSettings).availability_zone,
        "status": "enabled", "state": "up", "updated_at": iso_micro(now()), "disabled_reason": None,
    }  # fmt: skip
    if ctx.version >= (3, 7):
        scheduler["cluster"] = None
    return [*found, scheduler]


@on("PUT", "/os-services/{action:str}", rule="volume:manage_services")
async def change_service(
    ctx: Context, action: Literal["enable", "disable", "disable-log-reason"], data: ServiceChange, hosts: Hosts
) -> dict[str, Any]:
    if (data.binary or data.service) != BINARY:
        raise NotFound(what=f"Service {data.binary or data.service} on host {data.host}")
    if action == "disable-log-reason" and not (data.disabled_reason or "").strip():
        raise BadRequest(reason="Disabling with a reason needs a disabled_reason.")
    name = data.host.partition("@")[0]
    host = await hosts.set_disabled(name, disabled=action != "enable", reason=data.disabled_reason)
    body: dict[str, Any] = {
        "host": data.host, "service": BINARY, "binary": BINARY, "disabled": host.disabled,
        "status": "disabled" if host.disabled else "enabled",
    }  # fmt: skip
    if action != "disable":
        body["disabled_reason"] = host.disabled_reason
    return body


@on("GET", "/os-availability-zone", rule="volume:get_availability_zones")
async def list_zones(hosts: Hosts) -> dict[str, Any]:
    zones = sorted((await hosts.zones()).items())
    return {"availabilityZoneInfo": [{"zoneName": name, "zoneState": {"available": available}} for name, available in zones]}


@on("GET", "/scheduler-stats/get_pools", rule="volume:get_pools")
async def list_pools(request: Request[Any, Any, Any], hosts: Hosts) -> dict[str, Any]:
    detail = is_true(request.query_params.get("detail"))
    pools: list[dict[str, Any]] = []
    for host in await hosts.all():
        pool: dict[str, Any] = {"name": f"{host.id}@{host.driver}#{host.driver}"}
        if detail:
            pool["capabilities"] = {
                "pool_name": host.driver, "volume_backend_name": host.driver, "storage_protocol": host.driver,
                "total_capacity_gb": host.total_bytes / GIB, "free_capacity_gb": host.free_bytes / GIB,
                "thin_provisioning_support": True, "thick_provisioning_support": False, "updated": iso_micro(host.updated_at),
            }  # fmt: skip
        pools.append(pool)
    return {"pools": pools}


@on("GET", "/os-hosts", rule="volume:get_hosts")
async def list_hosts(ctx: Context, hosts: Hosts) -> dict[str, Any]:
    return {
        "hosts": [
            {
                "host_name": service["host"],
                "service": service["binary"],
                "service-status": "available" if service["state"] == "up" else "unavailable",
                "service-state": service["status"],
                "zone": service["zone"],
                "last-update": service["updated_at"],
            }
            for service in await services_of(ctx, hosts)
        ]
    }


@on("GET", "/os-hosts/{name:str}", rule="volume:get_hosts")
async def show_host(name: str, hosts: Hosts) -> dict[str, Any]:
    """What a host keeps, in sum and by project, in numbers written as text."""
    shares = await hosts.shares(name.partition("@")[0])
    resources = [
        {
            "host": name,
            "project": share.project_id or "(total)",
            "volume_count": str(share.volumes),
            "total_volume_gb": str(share.volume_gib),
            "snapshot_count": str(share.snapshots),
            "total_snapshot_gb": str(share.snapshot_gib),
        }
        for share in shares
    ]
    return {"host": [{"resource": resource} for resource in resources]}
