"""Turns what a task says about an instance into ids of things that the cloud has, or refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible.module_utils.cloud_session import Refusal, find


@dataclass(frozen=True)
class InterfaceWish:
    """A NIC: on a network (with an address, if one is named), or an existing port."""

    network_id: str
    port_id: str | None = None
    fixed_ip: str | None = None


@dataclass(frozen=True)
class FloatingIpWish:
    """A given floating IP, or any new one of the external network."""

    address: str | None
    network_id: str | None


@dataclass(frozen=True)
class InstanceWish:
    """What the instance shall be; None means that the task does not say, so it stays as it is."""

    flavor: Any = None
    image: Any = None
    boot_from_volume: bool = False
    boot_volume_id: str | None = None
    interfaces: tuple[InterfaceWish, ...] | None = None
    security_groups: dict[str, str] | None = None
    volumes: dict[str, str] | None = None
    metadata: dict[str, str] | None = None
    tags: tuple[str, ...] | None = None
    description: str | None = None
    key_name: str | None = None
    availability_zone: str | None = None
    config_drive: bool | None = None
    floating_ip: FloatingIpWish | None = None
    power: str | None = None
    allow_resize: bool = False


def read_wish(connection: Any, params: dict[str, Any]) -> InstanceWish:
    """Return the wish that the module's params state; unknown names are refused with those that exist."""
    compute, network, block_storage = connection.compute, connection.network, connection.block_storage
    flavor, image, boot_volume = params["flavor"], params["image"], params["boot_volume"]
    groups = params["security_groups"]
    volumes = params["volumes"]
    group_search = (network.find_security_group, network.security_groups)
    found_groups = None if groups is None else [find("security group", name, *group_search) for name in groups]
    volume_search = (block_storage.find_volume, block_storage.volumes)
    found_volumes = None if volumes is None else [find("volume", name, *volume_search) for name in volumes]
    if params["key_name"]:
        find("keypair", params["key_name"], compute.find_keypair, compute.keypairs)
    return InstanceWish(
        flavor=find("flavor", flavor, compute.find_flavor, compute.flavors) if flavor else None,
        image=find("image", image, connection.image.find_image, connection.image.images) if image else None,
        boot_from_volume=params["boot_from_volume"],
        boot_volume_id=find("volume", boot_volume, *volume_search).id if boot_volume else None,
        interfaces=_interfaces(connection, params["networks"]),
        security_groups=None if found_groups is None else {group.id: group.name for group in found_groups},
        volumes=None if found_volumes is None else {volume.id: volume.name for volume in found_volumes},
        metadata=None if params["metadata"] is None else {str(key): str(value) for key, value in params["metadata"].items()},
        tags=None if params["tags"] is None else tuple(sorted(set(params["tags"]))),
        description=params["description"],
        key_name=params["key_name"],
        availability_zone=params["availability_zone"],
        config_drive=params["config_drive"],
        floating_ip=_floating_ip(connection, params),
        power={"started": "ACTIVE", "stopped": "SHUTOFF"}.get(params["state"]),
        allow_resize=params["allow_resize"],
    )


def _interfaces(connection: Any, networks: list[dict[str, Any]] | None) -> tuple[InterfaceWish, ...] | None:
    if networks is None:
        return None
    wishes = []
    for item in networks:
        if item["port"]:
            port = find("port", item["port"], connection.network.find_port)
            wishes.append(InterfaceWish(port.network_id, port_id=port.id))
        else:
            network = find("network", item["network"], connection.network.find_network, connection.network.networks)
            wishes.append(InterfaceWish(network.id, fixed_ip=item["fixed_ip"]))
    return tuple(wishes)


def _floating_ip(connection: Any, params: dict[str, Any]) -> FloatingIpWish | None:
    if params["floating_ip"]:
        return FloatingIpWish(params["floating_ip"], None)
    if not params["auto_floating_ip"]:
        return None
    if params["floating_network"]:
        return FloatingIpWish(None, find("network", params["floating_network"], connection.network.find_network).id)
    external = list(connection.network.networks(is_router_external=True))
    if len(external) != 1:
        names = ", ".join(sorted(network.name for network in external)) or "none"
        raise Refusal(f"auto_floating_ip needs one external network, and the cloud has: {names}. Name one as floating_network.")
    return FloatingIpWish(None, external[0].id)
