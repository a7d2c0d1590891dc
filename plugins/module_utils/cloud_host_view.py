"""Shows a compute host as plain data: the shape that modules return, compare and print."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.cloud_session import Refusal

COMPUTE = "nova-compute"


def services(connection: Any) -> list[Any]:
    """The compute service of every host, by the hosts' names."""
    return sorted(connection.compute.services(binary=COMPUTE), key=lambda service: str(service.host))


def find_service(connection: Any, name: str) -> Any:
    """The compute service of a host. Refusal names the hosts there are."""
    known = services(connection)
    for service in known:
        if service.host == name:
            return service
    hosts = ", ".join(service.host for service in known) or "none"
    raise Refusal(f"There is no compute host {name!r}. There are: {hosts}.")


def servers_on(connection: Any, host: str) -> list[Any]:
    """The servers of any project that are on that host."""
    # Named as the SDK names it: what it knows as another attribute, such as `host`, it compares itself, and finds none.
    found = connection.compute.servers(details=True, all_projects=True, compute_host=host)
    return [server for server in found if server.compute_host == host]


def host_view(connection: Any, service: Any) -> dict[str, Any]:
    """One host: whether it takes new instances, whether it is heard of, and which instances are on it."""
    servers = servers_on(connection, service.host)
    return {
        "name": service.host,
        "id": service.id,
        "status": service.status,
        "state": service.state,
        "forced_down": bool(service.is_forced_down),
        "disabled_reason": service.disabled_reason,
        "availability_zone": service.availability_zone,
        "updated_at": service.updated_at,
        "instances": sorted(({"id": one.id, "name": one.name, "status": one.status} for one in servers), key=lambda one: one["id"]),
    }
