"""/v2.1/os-services: the agents on the compute hosts, under upstream's name nova-compute."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request
from msgspec import UNSET, UnsetType

from cloudd.compute.api.shapes import Key, Truth, truth
from cloudd.compute.domain.host import Hosts
from cloudd.compute.store.host import Host
from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro
from cloudd.kit.errors import BadRequest, Conflict, NotFound
from cloudd.kit.web import route

BINARY = "nova-compute"
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class ServiceUpdate(msgspec.Struct, forbid_unknown_fields=True):
    """From 2.53 on `status` and so on; before, host and binary, and the path names the act."""

    status: Literal["enabled", "disabled"] | UnsetType = UNSET
    disabled_reason: Reason | UnsetType = UNSET
    forced_down: Truth | UnsetType = UNSET
    host: Key | UnsetType = UNSET
    binary: Key | UnsetType = UNSET


def _view(ctx: Context, hosts: Hosts, host: Host) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": host.id if ctx.version >= (2, 53) else host.number,
        "binary": BINARY,
        "host": host.name,
        "zone": host.availability_zone,
        "status": "enabled" if host.is_enabled else "disabled",
        "state": "up" if hosts.is_up(host) else "down",
        "updated_at": iso_micro(host.seen_at),
        "disabled_reason": host.disabled_reason,
    }
    return {**view, "forced_down": host.is_forced_down} if ctx.version >= (2, 11) else view


@route("GET", "/v2.1/os-services", rule="compute:services")
async def list_services(request: Request[Any, Any, Any], ctx: Context, hosts: Hosts) -> dict[str, Any]:
    query = request.query_params
    if query.get("binary", BINARY) != BINARY:
        return {"services": []}
    return {"services": [_view(ctx, hosts, host) for host in await hosts.everyone() if query.get("host", host.name) == host.name]}


@route("PUT", "/v2.1/os-services/{service_id:str}", rule="compute:services")
async def update_service(ctx: Context, hosts: Hosts, service_id: str, data: ServiceUpdate) -> dict[str, Any]:
    wanted = data
    if ctx.version < (2, 53):
        return await _old_update(ctx, hosts, service_id, wanted)
    if wanted.host is not UNSET or wanted.binary is not UNSET:
        raise BadRequest(reason="host and binary belong to microversions before 2.53; the path names the service.")
    host = await hosts.by_id(service_id)
    values: dict[str, Any] = {}
    if wanted.status is not UNSET:
        values["is_enabled"] = wanted.status == "enabled"
        values["disabled_reason"] = None
    if wanted.disabled_reason is not UNSET:
        if wanted.status != "disabled":
            raise BadRequest(reason="Specifying disabled_reason requires that status is specified as disabled.")
        values["disabled_reason"] = wanted.disabled_reason
    if wanted.forced_down is not UNSET:
        values["is_forced_down"] = truth(wanted.forced_down, "forced_down")
    if not values:
        raise BadRequest(reason="No updates were requested. Fields 'status' or 'forced_down' should be specified.")
    return {"service": _view(ctx, hosts, await hosts.change(host, **values))}


async def _old_update(ctx: Context, hosts: Hosts, act: str, wanted: ServiceUpdate) -> dict[str, Any]:
    """enable, disable, disable-log-reason, force-down: the form before 2.53."""
    if wanted.host is UNSET or wanted.binary is UNSET or wanted.status is not UNSET:
        raise BadRequest(reason="The body has host and binary.")
    if wanted.binary != BINARY:
        raise NotFound(what=f"Service {wanted.binary} on {wanted.host}")
    host = await hosts.get(wanted.host)
    brief: dict[str, Any] = {"host": host.name, "binary": BINARY}
    match act:
        case "enable":
            await hosts.change(host, is_enabled=True, disabled_reason=None)
            return {"service": {**brief, "status": "enabled"}}
        case "disable":
            await hosts.change(host, is_enabled=False)
            return {"service": {**brief, "status": "disabled"}}
        case "disable-log-reason":
            if wanted.disabled_reason is UNSET:
                raise BadRequest(reason="Missing disabled reason field.")
            await hosts.change(host, is_enabled=False, disabled_reason=wanted.disabled_reason)
            return {"service": {**brief, "status": "disabled", "disabled_reason": wanted.disabled_reason}}
        case "force-down" if ctx.version >= (2, 11):
            down = truth(wanted.forced_down if wanted.forced_down is not UNSET else True, "forced_down")
            await hosts.change(host, is_forced_down=down)
            return {"service": {**brief, "forced_down": down}}
    raise NotFound(what=f"Action {act}")


@route("DELETE", "/v2.1/os-services/{service_id:str}", rule="compute:services", status=204)
async def delete_service(hosts: Hosts, service_id: str) -> None:
    host = await hosts.by_id(service_id)
    if host.name in await hosts.loads():
        raise Conflict(reason=f"Unable to delete compute service that is hosting instances: {host.name}. Delete or move them first.")
    await hosts.forget(host)
