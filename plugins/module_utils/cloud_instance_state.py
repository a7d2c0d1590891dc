"""Brings an instance into the state that a task asks for, and tells what changed."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.cloud_instance_apply import (
    apply_change,
    create_instance,
    delete_instance,
    reboot_instance,
    refuse_incomplete,
    wait_status,
)
from ansible.module_utils.cloud_instance_move import MOVABLE, bring_elsewhere
from ansible.module_utils.cloud_instance_plan import Change, plan_instance
from ansible.module_utils.cloud_instance_view import instance_view
from ansible.module_utils.cloud_instance_wish import InstanceWish, read_wish
from ansible.module_utils.cloud_session import SESSION_ARGUMENTS, WAIT_ARGUMENTS, Refusal, find_or_none
from ansible.module_utils.cloud_wait import wait_until

NOT_WISHED_AT_CREATION = frozenset(SESSION_ARGUMENTS) | frozenset(WAIT_ARGUMENTS) | {"state", "user_data", "host", "away_from"}


def bring_about(connection: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the instance into the wished state and return the module's result: changed, changes, instance, diff."""
    if params["state"] in MOVABLE:
        return bring_elsewhere(connection, params, check_mode)
    if params["host"] or params["away_from"]:
        raise Refusal("host and away_from are for the states migrated, live_migrated and evacuated.")
    server = find_or_none("instance", params["name"], connection.compute.find_server)
    if params["state"] == "absent":
        return _remove(connection, server, params, check_mode)
    if params["state"] == "rebooted":
        return _reboot(connection, server, params, check_mode)
    wish = read_wish(connection, params)
    if server is None:
        return _create(connection, params, wish, check_mode)
    if server.status == "BUILD" and params["wait"]:
        server = wait_status(connection, server, "ACTIVE", params["timeout_seconds"])
    return _converge(connection, server, params, wish, check_mode)


def _create(connection: Any, params: dict[str, Any], wish: InstanceWish, check_mode: bool) -> dict[str, Any]:
    """Make the instance, then change what can only be changed on one that is there (tags, volumes, floating IP, power)."""
    refuse_incomplete(params, wish)
    after = {key: value for key, value in params.items() if key not in NOT_WISHED_AT_CREATION and value not in (None, False)}
    made = {"changed": True, "changes": ["created"], "instance": None, "diff": {"before": {}, "after": after}}
    if check_mode:
        return made
    server = create_instance(connection, params, wish)
    if not params["wait"]:
        return {**made, "instance": instance_view(connection, connection.compute.get_server(server.id))}
    server = wait_status(connection, server, "ACTIVE", params["timeout_seconds"])
    rest = _converge(connection, server, params, wish, check_mode=False)
    return {**made, "changes": ["created", *rest["changes"]], "instance": rest["instance"]}


def _converge(connection: Any, server: Any, params: dict[str, Any], wish: InstanceWish, check_mode: bool) -> dict[str, Any]:
    """Refuse as a whole before anything is touched, else change one aspect after the other.

    The plan is made anew after each change, because one may call for another: a new interface wants its security groups.
    """
    view = instance_view(connection, server)
    plan = plan_instance(view, wish)
    if plan.refusals:
        raise Refusal(*plan.refusals)
    changes = plan.changes if check_mode else []
    while plan.changes and not check_mode:
        change = plan.changes[0]
        if change.aspect in {done.aspect for done in changes}:
            raise Refusal(f"Instance {server.name} does not keep the {change.aspect} that it was given. Something else changes it, too.")
        apply_change(connection, server, change, params["timeout_seconds"])
        changes.append(change)
        view = _settle(connection, server, wish, change, params["timeout_seconds"])
        plan = plan_instance(view, wish)
    return {"changed": bool(changes), "changes": [change.aspect for change in changes], "instance": view, "diff": _diff(changes)}


def _diff(changes: list[Change]) -> dict[str, dict[str, Any]]:
    return {"before": {change.aspect: change.before for change in changes}, "after": {change.aspect: change.after for change in changes}}


def _settle(connection: Any, server: Any, wish: InstanceWish, change: Change, timeout_seconds: float) -> dict[str, Any]:
    """Return the view once it shows what was changed, so that the next run finds nothing to do."""

    def look() -> dict[str, Any]:
        seen: dict[str, Any] = instance_view(connection, connection.compute.get_server(server.id))
        return seen

    def is_settled(view: dict[str, Any]) -> bool:
        return change.aspect not in {left.aspect for left in plan_instance(view, wish).changes}

    view: dict[str, Any] = wait_until(f"{change.aspect} of instance {server.name} changed", look, is_settled, timeout_seconds)
    return view


def _remove(connection: Any, server: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    if server is None:
        return {"changed": False, "changes": [], "instance": None, "diff": {"before": {}, "after": {}}}
    view = instance_view(connection, server)
    if not check_mode:
        delete_instance(connection, view, params)
    changed = view["task_state"] != "deleting"
    diff = {"before": {"id": view["id"], "name": view["name"], "status": view["status"]}, "after": {}}
    return {"changed": changed, "changes": ["deleted"] if changed else [], "instance": view if check_mode else None, "diff": diff}


def _reboot(connection: Any, server: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    if server is None:
        raise Refusal(f"There is no instance {params['name']!r} to reboot. Make it first (state: started).")
    before = server.status
    if before not in {"ACTIVE", "SHUTOFF"}:
        raise Refusal(f"Instance {server.name} is {before} and cannot be rebooted. Bring it to ACTIVE first (state: started).")
    if not check_mode:
        reboot_instance(connection, server, params)
        server = connection.compute.get_server(server.id)
    diff = {"before": {"status": before}, "after": {"status": "ACTIVE"}}
    return {"changed": True, "changes": ["rebooted"], "instance": instance_view(connection, server), "diff": diff}
