"""Shows an instance as plain data: the shape that modules return, compare and print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

# One request for everything is cheaper than one an instance from here on.
FETCH_ALL_FROM_INSTANCES = 4


def instance_views(connection: Any, servers: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the view of each server, in their order, with addresses, networks and security groups read from their ports."""
    if not servers:
        return []
    ports = _ports_of(connection, [server.id for server in servers])
    network_names = {network.id: network.name for network in connection.network.networks()}
    group_names = {group.id: group.name for group in connection.network.security_groups()}
    floating: dict[str, list[str]] = {}
    for address in connection.network.ips():
        if address.port_id:
            floating.setdefault(address.port_id, []).append(address.floating_ip_address)
    flavor_names = _flavor_names(connection, servers)
    views = []
    for server in servers:
        interfaces = [_interface_view(port, network_names, group_names, floating) for port in ports.get(server.id, [])]
        views.append({**_instance_view(server, interfaces, flavor_names), "boot_volume_id": _boot_volume_id(connection, server)})
    return views


def instance_view(connection: Any, server: Any) -> dict[str, Any]:
    """Return the view of one server."""
    return instance_views(connection, [server])[0]


def _ports_of(connection: Any, server_ids: Sequence[str]) -> dict[str, list[Any]]:
    if len(server_ids) < FETCH_ALL_FROM_INSTANCES:
        found: Iterable[Any] = (port for server_id in server_ids for port in connection.network.ports(device_id=server_id))
    else:
        found = connection.network.ports()
    by_server: dict[str, list[Any]] = {}
    for port in found:
        by_server.setdefault(port.device_id, []).append(port)
    for ports in by_server.values():
        ports.sort(key=lambda port: (port.created_at or "", port.id))
    return by_server


def _boot_volume_id(connection: Any, server: Any) -> str | None:
    """The volume that an instance without an image boots from: the one at the first disk, whatever its bus calls that."""
    if server.image and server.image.id:
        return None
    attachments = sorted(connection.compute.volume_attachments(server), key=lambda attachment: attachment.device or "~")
    return str(attachments[0].volume_id) if attachments else None


def _flavor_names(connection: Any, servers: Sequence[Any]) -> dict[str, str]:
    """Names by id, asked for only where the answer carries no embedded flavor (compute before 2.47)."""
    if all(server.flavor is None or server.flavor.original_name for server in servers):
        return {}
    return {flavor.id: flavor.name for flavor in connection.compute.flavors()}


def _interface_view(
    port: Any, network_names: dict[str, str], group_names: dict[str, str], floating: dict[str, list[str]]
) -> dict[str, Any]:
    return {
        "port_id": port.id,
        "network_id": port.network_id,
        "network": network_names.get(port.network_id, port.network_id),
        "mac_address": port.mac_address,
        "fixed_ips": [fixed["ip_address"] for fixed in port.fixed_ips or []],
        "floating_ips": sorted(floating.get(port.id, [])),
        "security_groups": sorted(group_names.get(group_id, group_id) for group_id in port.security_group_ids or []),
        "security_group_ids": sorted(port.security_group_ids or []),
    }


def _instance_view(server: Any, interfaces: list[dict[str, Any]], flavor_names: dict[str, str]) -> dict[str, Any]:
    fixed = [address for interface in interfaces for address in interface["fixed_ips"]]
    floating = [address for interface in interfaces for address in interface["floating_ips"]]
    flavor = server.flavor
    fault = server.fault or {}
    return {
        "id": server.id,
        "name": server.name,
        "status": server.status,
        "task_state": server.task_state,
        "fault": fault.get("message"),
        "flavor": (flavor.original_name or flavor_names.get(flavor.id, flavor.id)) if flavor is not None else None,
        "image_id": (server.image.id or None) if server.image else None,
        "key_name": server.key_name,
        "availability_zone": server.availability_zone,
        "host": server.compute_host,
        "config_drive": str(server.config_drive).lower() == "true",
        "description": server.description,
        "metadata": dict(server.metadata or {}),
        "tags": sorted(server.tags or []),
        "networks": interfaces,
        "security_groups": sorted({group for interface in interfaces for group in interface["security_groups"]}),
        "volumes": [attachment.id for attachment in server.attached_volumes or []],
        "fixed_ip": fixed[0] if fixed else None,
        "floating_ip": floating[0] if floating else None,
        "project_id": server.project_id,
        "created_at": server.created_at,
    }
