"""Compares an instance with the wish for it: which changes lead there, and what cannot be changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.cloud_instance_wish import InstanceWish, InterfaceWish

POWER_VERBS = {
    ("SHUTOFF", "ACTIVE"): "start",
    ("PAUSED", "ACTIVE"): "unpause",
    ("SUSPENDED", "ACTIVE"): "resume",
    ("ACTIVE", "SHUTOFF"): "stop",
}


@dataclass(frozen=True)
class Change:
    """One aspect that becomes another; before and after are for people, detail is for the one who applies it."""

    aspect: str
    before: Any
    after: Any
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Changes in the order to apply them, and the reasons why the rest cannot be done."""

    changes: list[Change]
    refusals: list[str]


def plan_instance(view: dict[str, Any], wish: InstanceWish) -> Plan:
    """Return the plan that makes the instance of that view what the wish says."""
    refusals = _refusals(view, wish)
    changes = [
        *_exact(view, wish),
        *_interfaces(view, wish),
        *_security_groups(view, wish),
        *_volumes(view, wish),
        *_floating_ip(view, wish),
        *_flavor(view, wish, refusals),
        *_power(view, wish, refusals),
    ]
    return Plan(changes, refusals)


def _refusals(view: dict[str, Any], wish: InstanceWish) -> list[str]:
    name = view["name"]
    again = "Delete the instance and make it again, or leave that option out."
    reasons = []
    if view["status"] == "ERROR":
        fault = view["fault"] or "the cloud gives no reason"
        reasons.append(f"Instance {name} is in ERROR: {fault}. Delete it (state: absent) and make it again.")
    boots_from_volume = wish.boot_from_volume or wish.boot_volume_id is not None
    if boots_from_volume and view["image_id"]:
        reasons.append(f"Instance {name} boots from an image and cannot be made to boot from a volume. {again}")
    if wish.image is not None and not boots_from_volume and view["image_id"] != wish.image.id:
        found = f"image {view['image_id']}" if view["image_id"] else "a volume"
        reasons.append(f"Instance {name} was made from {found}, not from {wish.image.name} ({wish.image.id}). {again}")
    fixed_at_birth = (("key_name", wish.key_name), ("availability_zone", wish.availability_zone), ("config_drive", wish.config_drive))
    for aspect, wished in fixed_at_birth:
        if wished is not None and view[aspect] != wished:
            reasons.append(f"The {aspect} of instance {name} is {view[aspect]!r} and cannot become {wished!r}. {again}")
    return reasons


def _exact(view: dict[str, Any], wish: InstanceWish) -> list[Change]:
    wished = {"description": wish.description, "metadata": wish.metadata, "tags": None if wish.tags is None else list(wish.tags)}
    return [
        Change(aspect, view[aspect], value)
        for aspect, value in wished.items()
        if value is not None and value != view[aspect] and not (value == "" and view[aspect] is None)
    ]


def _flavor(view: dict[str, Any], wish: InstanceWish, refusals: list[str]) -> list[Change]:
    if wish.flavor is None or view["flavor"] in {wish.flavor.name, wish.flavor.id}:
        return []
    if not wish.allow_resize:
        refusals.append(
            f"Instance {view['name']} has flavor {view['flavor']}, not {wish.flavor.name}."
            " A resize shuts it down: say allow_resize: true to permit it."
        )
    return [Change("flavor", view["flavor"], wish.flavor.name, {"flavor_id": wish.flavor.id})]


def _matches(interface: dict[str, Any], wished: InterfaceWish) -> bool:
    if wished.port_id:
        return bool(interface["port_id"] == wished.port_id)
    return interface["network_id"] == wished.network_id and (wished.fixed_ip is None or wished.fixed_ip in interface["fixed_ips"])


def _interfaces(view: dict[str, Any], wish: InstanceWish) -> list[Change]:
    if wish.interfaces is None:
        return []
    surplus = list(view["networks"])
    missing = []
    # The most particular wish chooses first, so that a loose one does not take its interface away.
    for wished in sorted(wish.interfaces, key=lambda one: (one.port_id is None, one.fixed_ip is None)):
        match = next((interface for interface in surplus if _matches(interface, wished)), None)
        if match is None:
            missing.append(wished)
        else:
            surplus.remove(match)
    if not missing and not surplus:
        return []
    before = [interface["network_id"] for interface in view["networks"]]
    return [Change("networks", before, [wished.network_id for wished in wish.interfaces], {"attach": missing, "detach": surplus})]


def _security_groups(view: dict[str, Any], wish: InstanceWish) -> list[Change]:
    if wish.security_groups is None:
        return []
    wished = sorted(wish.security_groups)
    ports = [interface["port_id"] for interface in view["networks"] if interface["security_group_ids"] != wished]
    if not ports:
        return []
    after = sorted(wish.security_groups.values())
    return [Change("security_groups", view["security_groups"], after, {"ports": ports, "group_ids": wished})]


def _volumes(view: dict[str, Any], wish: InstanceWish) -> list[Change]:
    if wish.volumes is None:
        return []
    # The root disk of an instance that boots from a volume is listed too, and no task may take it away.
    root = view["boot_volume_id"]
    attached = [volume_id for volume_id in view["volumes"] if volume_id != root]
    attach = [volume_id for volume_id in wish.volumes if volume_id not in attached and volume_id != root]
    detach = [volume_id for volume_id in attached if volume_id not in wish.volumes]
    if not attach and not detach:
        return []
    return [Change("volumes", attached, list(wish.volumes), {"attach": attach, "detach": detach})]


def _floating_ip(view: dict[str, Any], wish: InstanceWish) -> list[Change]:
    if wish.floating_ip is None:
        return []
    present = [address for interface in view["networks"] for address in interface["floating_ips"]]
    address = wish.floating_ip.address
    if address in present or (address is None and present):
        return []
    return [Change("floating_ip", view["floating_ip"], address or "a new one", {"wish": wish.floating_ip})]


def _power(view: dict[str, Any], wish: InstanceWish, refusals: list[str]) -> list[Change]:
    if wish.power is None or view["status"] in {wish.power, "ERROR"}:
        return []
    verb = POWER_VERBS.get((view["status"], wish.power))
    if verb is None:
        name, status = view["name"], view["status"]
        refusals.append(f"Instance {name} is {status} and cannot become {wish.power} from there. Bring it to ACTIVE or SHUTOFF first.")
        return []
    return [Change("status", view["status"], wish.power, {"verb": verb})]
