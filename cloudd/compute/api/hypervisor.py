"""/v2.1/os-hypervisors."""

from typing import Any

from litestar import Request

from cloudd.compute.api.shapes import truth, until
from cloudd.compute.domain.host import Hosts, Load
from cloudd.compute.domain.server import Servers
from cloudd.compute.errors import HostNotFound
from cloudd.compute.store.host import Host
from cloudd.kit.auth import Context
from cloudd.kit.web import route


def _key(ctx: Context, host: Host) -> str | int:
    return host.id if ctx.version >= (2, 53) else host.number


def _brief(ctx: Context, hosts: Hosts, host: Host) -> dict[str, Any]:
    return {
        "id": _key(ctx, host),
        "hypervisor_hostname": host.name,
        "state": "up" if hosts.is_up(host) else "down",
        "status": "enabled" if host.is_enabled else "disabled",
    }


def _detail(ctx: Context, hosts: Hosts, host: Host, load: Load) -> dict[str, Any]:
    capacity = host.capacity
    view: dict[str, Any] = {
        **_brief(ctx, hosts, host),
        "host_ip": host.address,
        "hypervisor_type": capacity.hypervisor_type,
        "hypervisor_version": capacity.hypervisor_version,
        "service": {"id": _key(ctx, host), "host": host.name, "disabled_reason": host.disabled_reason},
    }
    if ctx.version >= (2, 88):
        return {**view, "uptime": None}
    info = {"arch": capacity.cpu_architecture, "model": capacity.cpu_model, "vendor": "", "features": [], "topology": {}}
    used_disk = capacity.disk_gib - capacity.free_disk_gib
    return {
        **view,
        "cpu_info": info if ctx.version >= (2, 28) else "",
        "vcpus": capacity.vcpus,
        "vcpus_used": load.vcpus,
        "memory_mb": capacity.memory_mib,
        "memory_mb_used": load.memory_mib + hosts.settings.reserved_memory_mib,
        "free_ram_mb": capacity.memory_mib - load.memory_mib - hosts.settings.reserved_memory_mib,
        "local_gb": capacity.disk_gib,
        "local_gb_used": used_disk,
        "free_disk_gb": capacity.free_disk_gib,
        "disk_available_least": capacity.free_disk_gib,
        "current_workload": 0,
        "running_vms": load.servers,
    }


async def _matching(request: Request[Any, Any, Any], ctx: Context, hosts: Hosts) -> list[Host]:
    pattern = request.query_params.get("hypervisor_hostname_pattern") if ctx.version >= (2, 53) else None
    found = await hosts.everyone()
    if pattern is None:
        return found
    if matching := [host for host in found if pattern in host.name]:
        return matching
    raise HostNotFound(host=pattern)


async def _with_servers(
    request: Request[Any, Any, Any], ctx: Context, servers: Servers, view: dict[str, Any], host: Host
) -> dict[str, Any]:
    if ctx.version >= (2, 53) and truth(request.query_params.get("with_servers"), "with_servers"):
        async with servers.db.read() as tx:
            view["servers"] = [{"name": server.name, "uuid": server.id} for server in await servers.store.on_host(tx, host.name)]
    return view


@route("GET", "/v2.1/os-hypervisors", rule="compute:hypervisors")
async def list_hypervisors(request: Request[Any, Any, Any], ctx: Context, hosts: Hosts, servers: Servers) -> dict[str, Any]:
    found = await _matching(request, ctx, hosts)
    return {"hypervisors": [await _with_servers(request, ctx, servers, _brief(ctx, hosts, host), host) for host in found]}


@route("GET", "/v2.1/os-hypervisors/detail", rule="compute:hypervisors")
async def list_hypervisors_detail(request: Request[Any, Any, Any], ctx: Context, hosts: Hosts, servers: Servers) -> dict[str, Any]:
    loads = await hosts.loads()
    found = await _matching(request, ctx, hosts)
    views = [_detail(ctx, hosts, host, loads.get(host.name, Load())) for host in found]
    return {"hypervisors": [await _with_servers(request, ctx, servers, view, host) for view, host in zip(views, found, strict=True)]}


@route("GET", "/v2.1/os-hypervisors/statistics", rule="compute:hypervisors")
async def show_statistics(ctx: Context, hosts: Hosts) -> dict[str, Any]:
    until(ctx, 87)
    loads = await hosts.loads()
    details = [_detail(ctx, hosts, host, loads.get(host.name, Load())) for host in await hosts.everyone() if host.is_enabled]
    names = ("vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "free_ram_mb", "local_gb", "local_gb_used", "free_disk_gb")
    more = ("disk_available_least", "current_workload", "running_vms")
    return {"hypervisor_statistics": {"count": len(details), **{name: sum(detail[name] for detail in details) for name in (*names, *more)}}}


@route("GET", "/v2.1/os-hypervisors/{hypervisor_id:str}", rule="compute:hypervisors")
async def show_hypervisor(
    request: Request[Any, Any, Any], ctx: Context, hosts: Hosts, servers: Servers, hypervisor_id: str
) -> dict[str, Any]:
    host = await hosts.by_id(hypervisor_id)
    load = (await hosts.loads()).get(host.name, Load())
    return {"hypervisor": await _with_servers(request, ctx, servers, _detail(ctx, hosts, host, load), host)}
