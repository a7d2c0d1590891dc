"""/v2.1/extensions: what clients of old ask for; the microversion says the rest."""

from typing import Any

from cloudd.kit.errors import NotFound
from cloudd.kit.web import route

_NAMES = {
    "os-aggregates": "Aggregates",
    "os-availability-zone": "AvailabilityZone",
    "os-attach-interfaces": "AttachInterfaces",
    "os-console-output": "ConsoleOutput",
    "os-extended-availability-zone": "ExtendedAvailabilityZone",
    "os-extended-server-attributes": "ExtendedServerAttributes",
    "os-extended-status": "ExtendedStatus",
    "os-extended-volumes": "ExtendedVolumes",
    "os-flavor-access": "FlavorAccess",
    "os-flavor-extra-specs": "FlavorExtraSpecs",
    "os-flavor-manage": "FlavorManage",
    "os-hypervisors": "Hypervisors",
    "os-instance-actions": "InstanceActions",
    "os-keypairs": "Keypairs",
    "os-lock-server": "LockServer",
    "os-pause-server": "PauseServer",
    "os-quota-sets": "Quotas",
    "os-scheduler-hints": "SchedulerHints",
    "os-server-diagnostics": "ServerDiagnostics",
    "os-server-groups": "ServerGroups",
    "os-server-usage": "ServerUsage",
    "os-services": "Services",
    "os-simple-tenant-usage": "SimpleTenantUsage",
    "os-suspend-server": "SuspendServer",
    "os-volumes": "Volumes",
    "OS-DCF": "DiskConfig",
}


def _view(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": _NAMES[alias],
        "description": _NAMES[alias],
        "namespace": "",
        "links": [],
        "updated": "2014-12-03T00:00:00Z",
    }


@route("GET", "/v2.1/extensions", rule="compute:extensions")
async def list_extensions() -> dict[str, Any]:
    return {"extensions": [_view(alias) for alias in _NAMES]}


@route("GET", "/v2.1/extensions/{alias:str}", rule="compute:extensions")
async def show_extension(alias: str) -> dict[str, Any]:
    if alias not in _NAMES:
        raise NotFound(what=f"Extension {alias}")
    return {"extension": _view(alias)}
