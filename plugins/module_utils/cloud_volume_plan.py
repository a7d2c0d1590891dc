"""Compares a volume with the wish for it: which changes lead there, and what cannot be changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible.module_utils.cloud_instance_plan import Change, Plan
from ansible.module_utils.cloud_session import find

# The cloud itself adds these to a volume's metadata; a task that does not name them means nothing by it.
METADATA_OF_THE_CLOUD = frozenset({"readonly", "attached_mode"})


@dataclass(frozen=True)
class VolumeWish:
    """What the volume shall be; None means that the task does not say, so it stays as it is."""

    state: str
    size_gib: int | None = None
    image: Any = None
    snapshot: Any = None
    source_volume: Any = None
    volume_type: Any = None
    availability_zone: str | None = None
    description: str | None = None
    metadata: dict[str, str] | None = None
    bootable: bool | None = None
    instance: Any = None


def read_wish(connection: Any, params: dict[str, Any]) -> VolumeWish:
    """Return the wish that the module's params state; unknown names are refused with those that exist."""
    storage = connection.block_storage
    sources = {
        "image": (connection.image.find_image, connection.image.images),
        "snapshot": (storage.find_snapshot, storage.snapshots),
        "source_volume": (storage.find_volume, storage.volumes),
        "volume_type": (storage.find_type, storage.types),
        "instance": (connection.compute.find_server, connection.compute.servers),
    }
    found = {kind: find(kind.replace("_", " "), params[kind], *search) for kind, search in sources.items() if params[kind]}
    return VolumeWish(
        state=params["state"],
        size_gib=params["size_gib"],
        availability_zone=params["availability_zone"],
        description=params["description"],
        metadata=None if params["metadata"] is None else {str(key): str(value) for key, value in params["metadata"].items()},
        bootable=params["bootable"],
        **found,
    )


def plan_volume(view: dict[str, Any], wish: VolumeWish) -> Plan:
    """Return the plan that makes the volume of that view what the wish says."""
    refusals = _refusals(view, wish)
    return Plan([*_exact(view, wish), *_size(view, wish, refusals), *_attachments(view, wish, refusals)], refusals)


def _refusals(view: dict[str, Any], wish: VolumeWish) -> list[str]:
    name = view["name"] or view["id"]
    again = "Delete the volume and make it again, or leave that option out."
    reasons = []
    if view["status"].startswith("error"):
        reasons.append(f"Volume {name} is in status {view['status']}. Delete it (state: absent), or ask the operator for the cause.")
    for kind, wished in (("image", wish.image), ("snapshot", wish.snapshot), ("source_volume", wish.source_volume)):
        aspect = f"{kind}_id"
        if wished is not None and view[aspect] != wished.id:
            reasons.append(f"Volume {name} was made from {kind} {view[aspect]}, not from {wished.name} ({wished.id}). {again}")
    if wish.volume_type is not None and view["volume_type"] not in {wish.volume_type.name, wish.volume_type.id}:
        reasons.append(f"Volume {name} is of type {view['volume_type']}, not {wish.volume_type.name}. {again}")
    if wish.availability_zone is not None and view["availability_zone"] != wish.availability_zone:
        reasons.append(f"Volume {name} is in availability zone {view['availability_zone']}, not {wish.availability_zone}. {again}")
    return reasons


def _exact(view: dict[str, Any], wish: VolumeWish) -> list[Change]:
    changes = []
    if wish.description is not None and wish.description != (view["description"] or ""):
        changes.append(Change("description", view["description"], wish.description))
    if wish.metadata is not None:
        ignored = METADATA_OF_THE_CLOUD - wish.metadata.keys()
        before = {key: value for key, value in view["metadata"].items() if key not in ignored}
        if before != wish.metadata:
            changes.append(Change("metadata", before, wish.metadata))
    if wish.bootable is not None and wish.bootable != view["bootable"]:
        changes.append(Change("bootable", view["bootable"], wish.bootable))
    return changes


def _size(view: dict[str, Any], wish: VolumeWish, refusals: list[str]) -> list[Change]:
    if wish.size_gib is None or wish.size_gib == view["size_gib"]:
        return []
    name, size = view["name"] or view["id"], view["size_gib"]
    if wish.size_gib < size:
        refusals.append(f"Volume {name} has {size} GiB and cannot shrink to {wish.size_gib}. Make a smaller one and copy the data.")
    elif wish.state != "extended":
        refusals.append(f"Volume {name} has {size} GiB, not {wish.size_gib}. Say state: extended to grow it.")
    return [Change("size_gib", size, wish.size_gib)]


def _attachments(view: dict[str, Any], wish: VolumeWish, refusals: list[str]) -> list[Change]:
    users = {attachment["instance_id"]: attachment["instance"] for attachment in view["attachments"]}
    if wish.state == "attached":
        if wish.instance.id in users:
            return []
        if users:
            names = ", ".join(users.values())
            refusals.append(f"Volume {view['name']} is attached to {names}. Detach it first (state: detached).")
        return [Change("attachments", sorted(users.values()), [wish.instance.name], {"attach": wish.instance.id})]
    if wish.state == "detached":
        leave = [instance_id for instance_id in users if wish.instance is None or instance_id == wish.instance.id]
        if leave:
            stay = sorted(name for instance_id, name in users.items() if instance_id not in leave)
            return [Change("attachments", sorted(users.values()), stay, {"detach": leave})]
    return []
