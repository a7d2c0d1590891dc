"""Brings a volume into the state that a task asks for, and tells what changed."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.cloud_instance_plan import Change
from ansible.module_utils.cloud_session import SESSION_ARGUMENTS, WAIT_ARGUMENTS, Refusal, find_or_none
from ansible.module_utils.cloud_volume_plan import VolumeWish, plan_volume, read_wish
from ansible.module_utils.cloud_volume_view import volume_view
from ansible.module_utils.cloud_wait import wait_gone, wait_until, wait_volume

NOT_WISHED_AT_CREATION = frozenset(SESSION_ARGUMENTS) | frozenset(WAIT_ARGUMENTS) | {"state"}


def bring_about(connection: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the volume into the wished state and return the module's result: changed, changes, volume, diff."""
    volume = find_or_none("volume", params["name"], connection.block_storage.find_volume)
    if params["state"] == "absent":
        return _remove(connection, volume, params, check_mode)
    wish = read_wish(connection, params)
    if volume is None:
        return _create(connection, params, wish, check_mode)
    return _converge(connection, volume, params, wish, check_mode)


def _create(connection: Any, params: dict[str, Any], wish: VolumeWish, check_mode: bool) -> dict[str, Any]:
    if wish.state == "detached":
        raise Refusal(f"There is no volume {params['name']!r} to detach.")
    source = wish.snapshot or wish.source_volume
    size_gib = wish.size_gib or (source.size if source else None)
    if size_gib is None:
        raise Refusal(f"There is no volume {params['name']!r}; to make it, say size_gib.")
    if wish.state == "attached" and not params["wait"]:
        raise Refusal("To attach a new volume, it must be ready: leave wait at true.")
    after = {key: value for key, value in params.items() if key not in NOT_WISHED_AT_CREATION and value not in (None, False)}
    made = {"changed": True, "changes": ["created"], "volume": None, "diff": {"before": {}, "after": after}}
    if check_mode:
        return made
    attributes = {
        "name": params["name"],
        "size": size_gib,
        "image_id": wish.image.id if wish.image else None,
        "snapshot_id": wish.snapshot.id if wish.snapshot else None,
        "source_volume_id": wish.source_volume.id if wish.source_volume else None,
        "volume_type": wish.volume_type.name if wish.volume_type else None,
        "availability_zone": wish.availability_zone,
        "description": wish.description,
        "metadata": wish.metadata,
    }
    volume = connection.block_storage.create_volume(**{name: value for name, value in attributes.items() if value is not None})
    if not params["wait"]:
        return {**made, "volume": volume_view(connection, volume)}
    volume = wait_volume(connection, volume.id, {"available"}, params["timeout_seconds"])
    rest = _converge(connection, volume, params, wish, check_mode=False)
    return {**made, "changes": ["created", *rest["changes"]], "volume": rest["volume"]}


def _converge(connection: Any, volume: Any, params: dict[str, Any], wish: VolumeWish, check_mode: bool) -> dict[str, Any]:
    """Refuse as a whole before anything is touched, else apply the plan."""
    if volume.status not in {"available", "in-use"} and not volume.status.startswith("error") and params["wait"]:
        volume = wait_volume(connection, volume.id, {"available", "in-use"}, params["timeout_seconds"])
    plan = plan_volume(volume_view(connection, volume), wish)
    if plan.refusals:
        raise Refusal(*plan.refusals)
    if not check_mode:
        for change in plan.changes:
            _apply(connection, volume, change, params)
        if plan.changes:
            volume = connection.block_storage.get_volume(volume.id)
    return {
        "changed": bool(plan.changes),
        "changes": [change.aspect for change in plan.changes],
        "volume": volume_view(connection, volume),
        "diff": {
            "before": {change.aspect: change.before for change in plan.changes},
            "after": {change.aspect: change.after for change in plan.changes},
        },
    }


def _apply(connection: Any, volume: Any, change: Change, params: dict[str, Any]) -> None:
    storage, timeout_seconds = connection.block_storage, params["timeout_seconds"]
    match change.aspect:
        case "description":
            storage.update_volume(volume.id, description=change.after)
        case "metadata":
            volume.replace_metadata(storage, metadata=change.after)
        case "bootable":
            storage.set_volume_bootable_status(volume.id, change.after)
        case "size_gib":
            storage.extend_volume(volume.id, change.after)
            wait_until(
                f"volume {volume.name} grown to {change.after} GiB",
                lambda: wait_volume(connection, volume.id, {"available", "in-use"}, timeout_seconds),
                lambda seen: bool(seen.size == change.after),
                timeout_seconds,
            )
        case "attachments":
            _reattach(connection, volume, change, params)


def _reattach(connection: Any, volume: Any, change: Change, params: dict[str, Any]) -> None:
    for instance_id in change.detail.get("detach", []):
        connection.compute.delete_volume_attachment(instance_id, volume.id)
    if "attach" in change.detail:
        device = {"device": params["device"]} if params["device"] else {}
        connection.compute.create_volume_attachment(change.detail["attach"], volume.id, **device)
    if params["wait"]:
        wait_volume(connection, volume.id, {"in-use" if change.after else "available"}, params["timeout_seconds"])


def _remove(connection: Any, volume: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    if volume is None:
        return {"changed": False, "changes": [], "volume": None, "diff": {"before": {}, "after": {}}}
    view = volume_view(connection, volume)
    users = {attachment["instance_id"]: attachment["instance"] for attachment in view["attachments"]}
    if users and not params["detach"]:
        names = ", ".join(users.values())
        raise Refusal(f"Volume {view['name']} is attached to {names}. Say detach: true to have it detached and deleted.")
    if not check_mode:
        if users:
            _reattach(connection, volume, Change("attachments", list(users), [], {"detach": list(users)}), {**params, "wait": True})
        connection.block_storage.delete_volume(volume.id, ignore_missing=True)
        if params["wait"]:
            wait_gone(f"volume {view['name']}", lambda: connection.block_storage.get_volume(volume.id), params["timeout_seconds"])
    diff = {"before": {"id": view["id"], "name": view["name"], "status": view["status"]}, "after": {}}
    return {"changed": True, "changes": ["deleted"], "volume": view if check_mode else None, "diff": diff}
