"""Makes, changes and deletes an instance: one function an aspect of the plan."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from ansible.module_utils.cloud_instance_plan import Change
from ansible.module_utils.cloud_instance_wish import InstanceWish
from ansible.module_utils.cloud_session import Refusal
from ansible.module_utils.cloud_wait import wait_gone, wait_until, wait_volume


def wait_status(connection: Any, server: Any, status: str, timeout_seconds: float) -> Any:
    """Wait until the server has the status and no task, and return it; refuse with the fault if it falls into ERROR."""

    def is_there(seen: Any) -> bool:
        if seen.status == "ERROR":
            fault = (seen.fault or {}).get("message", "the cloud gives no reason")
            raise Refusal(f"Instance {seen.name} ({seen.id}) went into ERROR: {fault}. Delete it (state: absent) when you have seen why.")
        return bool(seen.status == status and not seen.task_state)

    what = f"instance {server.name} ({server.id}) in status {status}"
    return wait_until(what, lambda: connection.compute.get_server(server.id), is_there, timeout_seconds)


def refuse_incomplete(params: dict[str, Any], wish: InstanceWish) -> None:
    """Refuse a wish from which no instance can be made."""
    if wish.flavor is None or (wish.image is None and wish.boot_volume_id is None):
        raise Refusal(f"There is no instance {params['name']!r}; to make it, name a flavor and an image (or a boot_volume).")
    if not params["wait"] and (wish.tags or wish.volumes or wish.floating_ip or wish.power == "SHUTOFF"):
        raise Refusal("Tags, volumes, a floating IP and state stopped need an instance that is ready: leave wait at true.")


def create_instance(connection: Any, params: dict[str, Any], wish: InstanceWish) -> Any:
    """Ask the cloud for the instance and return the server, which is still building."""
    attributes: dict[str, Any] = {
        "name": params["name"],
        "flavor_id": wish.flavor.id,
        "image_id": None if wish.boot_from_volume or wish.boot_volume_id else wish.image.id,
        "block_device_mapping": _block_devices(params, wish),
        "networks": "auto" if wish.interfaces is None else [_network_request(interface) for interface in wish.interfaces] or "none",
        "security_groups": None if wish.security_groups is None else [{"name": group_id} for group_id in wish.security_groups],
        "key_name": wish.key_name,
        "user_data": base64.b64encode(params["user_data"].encode()).decode() if params["user_data"] else None,
        "config_drive": wish.config_drive,
        "availability_zone": wish.availability_zone,
        "metadata": wish.metadata,
        "description": wish.description,
    }
    return connection.compute.create_server(**{name: value for name, value in attributes.items() if value is not None})


def _network_request(interface: Any) -> dict[str, str]:
    if interface.port_id:
        return {"port": interface.port_id}
    address = {"fixed_ip": interface.fixed_ip} if interface.fixed_ip else {}
    return {"uuid": interface.network_id, **address}


def _block_devices(params: dict[str, Any], wish: InstanceWish) -> list[dict[str, Any]] | None:
    if wish.boot_volume_id:
        source = {"source_type": "volume", "uuid": wish.boot_volume_id, "delete_on_termination": False}
    elif wish.boot_from_volume:
        size_gib = params["boot_volume_size_gib"] or wish.flavor.disk
        passing = not params["keep_boot_volume"]
        source = {"source_type": "image", "uuid": wish.image.id, "volume_size": size_gib, "delete_on_termination": passing}
    else:
        return None
    return [{"boot_index": 0, "destination_type": "volume", **source}]


def delete_instance(connection: Any, view: dict[str, Any], params: dict[str, Any]) -> None:
    """Delete the instance, and its floating IPs if the task says so, and wait until it is gone if it says so."""
    if view["task_state"] != "deleting":
        connection.compute.delete_server(view["id"], ignore_missing=True)
    if params["wait"]:
        wait_gone(f"instance {view['name']}", lambda: connection.compute.get_server(view["id"]), params["timeout_seconds"])
    if params["release_floating_ips"]:
        addresses = {address for interface in view["networks"] for address in interface["floating_ips"]}
        for floating in list(connection.network.ips()):
            if floating.floating_ip_address in addresses:
                connection.network.delete_ip(floating.id, ignore_missing=True)


def reboot_instance(connection: Any, server: Any, params: dict[str, Any]) -> None:
    """Reboot the instance, or start it if it is off."""
    if server.status == "SHUTOFF":
        connection.compute.start_server(server.id)
    else:
        connection.compute.reboot_server(server.id, params["reboot_type"].upper())
    if params["wait"]:
        wait_status(connection, server, "ACTIVE", params["timeout_seconds"])


def apply_change(connection: Any, server: Any, change: Change, timeout_seconds: float) -> None:
    """Carry out one change of the plan and wait until the cloud has done it."""
    APPLY[change.aspect](connection, server, change, timeout_seconds)


def _description(connection: Any, server: Any, change: Change, timeout_seconds: float) -> None:
    connection.compute.update_server(server.id, description=change.after)


def _metadata(connection: Any, server: Any, change: Change, timeout_seconds: float) -> None:
    server.replace_metadata(connection.compute, metadata=change.after)


def _tags(connection: Any, server: Any, change: Change, timeout_seconds: float) -> None:
    server.set_tags(connection.compute, change.after)


def _networks(connection: Any, server: Any, change: Change, timeout_seconds: float) -> None:
    for interface in change.detail["detach"]:
        connection.compute.delete_server_interface(interface["port_id"], server=server.id)
    _wait_ports(connection, server, lambda ids: ids.isdisjoint(one["port_id"] for one in change.detail["detach"]), timeout_seconds)
    for wished in change.detail["attach"]:
        if wished.port_id:
            request: dict[str, Any] = {"port_id": wished.port_id}
        else:
            request = {"net_id": wished.network_id}
            if wished.fixed_ip:
                request["fixed_ips"] = [{"ip_address": wished.fixed_ip}]
        connection.compute.create_server_interface(server.id, **request)


def _wait_ports(connection: Any, server: Any, is_done: Callable[[set[str]], bool], timeout_seconds: float) -> None:
    wait_until(
        f"the interfaces of instance {server.name} changed",
        lambda: {port.id for port in connection.network.ports(device_id=server.id)},
        is_done,
        timeout_seconds,
    )


def _security_groups(connection: Any, server: Any, change: Change, timeout_seconds: float) -> None:
    for port_id in change.detail["ports"]:
        connection.network.update_port(port_id, security_group_ids=change.detail["group_ids"])


def _volumes(connection: Any, server: Any, change: Change, timeout_seconds: float) -> None:
    for volume_id in change.detail["detach"]:
        connection.compute.delete_volume_attachment(server.id, volume_id)
        wait_volume(connection, volume_id, {"available"}, timeout_seconds)
    for volume_id in change.detail["attach"]:
        connection.compute.create_volume_attachment(server.id, volume_id)
        wait_volume(connection, volume_id, {"in-use"}, timeout_seconds)


def _floating_ip(connection: Any, server: Any, change: Change, timeout_seconds: float) -> None:
    wish = change.detail["wish"]
    ports = [port for port in connection.network.ports(device_id=server.id) if _has_ipv4(port)]
    if not ports:
        raise Refusal(f"Instance {server.name} has no port with an IPv4 address, so it cannot have a floating IP. Give it a network.")
    ports.sort(key=lambda port: (port.created_at or "", port.id))
    if wish.address is None:
        connection.network.create_ip(floating_network_id=wish.network_id, port_id=ports[0].id)
        return
    found = next((one for one in connection.network.ips() if one.floating_ip_address == wish.address), None)
    if found is None:
        raise Refusal(f"This project has no floating IP {wish.address}. Allocate it first, or say auto_floating_ip: true.")
    if found.port_id:
        raise Refusal(f"Floating IP {wish.address} belongs to port {found.port_id}. Take it from there first, or use another.")
    connection.network.update_ip(found.id, port_id=ports[0].id)


def _has_ipv4(port: Any) -> bool:
    return any("." in fixed["ip_address"] for fixed in port.fixed_ips or [])


def _flavor(connection: Any, server: Any, change: Change, timeout_seconds: float) -> None:
    connection.compute.resize_server(server.id, change.detail["flavor_id"])
    wait_status(connection, server, "VERIFY_RESIZE", timeout_seconds)
    connection.compute.confirm_server_resize(server.id)
    wait_status(connection, server, server.status, timeout_seconds)


def _status(connection: Any, server: Any, change: Change, timeout_seconds: float) -> None:
    getattr(connection.compute, f"{change.detail['verb']}_server")(server.id)
    wait_status(connection, server, change.after, timeout_seconds)


APPLY: dict[str, Callable[[Any, Any, Change, float], None]] = {
    "description": _description,
    "metadata": _metadata,
    "tags": _tags,
    "networks": _networks,
    "security_groups": _security_groups,
    "volumes": _volumes,
    "floating_ip": _floating_ip,
    "flavor": _flavor,
    "status": _status,
}
