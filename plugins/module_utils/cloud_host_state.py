"""Puts a compute host into service or out of it, and empties it."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.cloud_host_view import find_service, host_view, servers_on
from ansible.module_utils.cloud_instance_move import finish_move, start_move
from ansible.module_utils.cloud_session import Refusal

#: how a drain moves an instance of that status
MOVES = {"ACTIVE": "live_migrated", "PAUSED": "live_migrated", "SHUTOFF": "migrated"}


def bring_about(connection: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the host into the wished state; the module's result: changed, changes, host, diff."""
    service = find_service(connection, params["name"])
    before = host_view(connection, service)
    after = _wished(before, params)
    servers = _servers(connection, params["name"]) if params["state"] == "drained" else []
    # Refused as a whole: a host that cannot be emptied keeps what it has, and stays in service.
    plan = [(server, MOVES[server.status]) for server in servers] if not (reasons := _refusals(servers)) else []
    if reasons:
        raise Refusal(*reasons)
    if servers:
        after["instances"] = []
    changes = [aspect for aspect, value in after.items() if value != before[aspect]]
    diff = {"before": {aspect: before[aspect] for aspect in changes}, "after": {aspect: after[aspect] for aspect in changes}}
    if not check_mode:
        _apply(connection, service, before, after)
        _move_all(connection, plan, params)
    view = before if check_mode else host_view(connection, find_service(connection, params["name"]))
    return {"changed": bool(changes), "changes": changes, "host": view, "diff": diff}


def _wished(before: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """The aspects that the task names, as they shall be."""
    wished: dict[str, Any] = {"status": "enabled" if params["state"] == "enabled" else "disabled"}
    if wished["status"] == "enabled":
        wished["disabled_reason"] = None
    elif params["reason"] is not None:
        wished["disabled_reason"] = params["reason"]
    if params["forced_down"] is not None:
        wished["forced_down"] = params["forced_down"]
    return wished


def _servers(connection: Any, name: str) -> list[Any]:
    return sorted(servers_on(connection, name), key=lambda one: (one.name, one.id))


def _refusals(servers: list[Any]) -> list[str]:
    hints = {
        "VERIFY_RESIZE": "Confirm or revert its resize first.",
        "SUSPENDED": "Resume it first, or leave it out by suspending it elsewhere.",
        "ERROR": "Look at its fault; rebuild or delete it.",
    }
    reasons = []
    for server in servers:
        if server.task_state:
            reasons.append(f"Instance {server.name} ({server.id}) is busy ({server.task_state}). Wait until that has ended.")
        elif server.status not in MOVES:
            hint = hints.get(server.status, "Bring it to ACTIVE or SHUTOFF first.")
            reasons.append(f"Instance {server.name} ({server.id}) is {server.status} and cannot be moved. {hint}")
    return reasons


def _apply(connection: Any, service: Any, before: dict[str, Any], after: dict[str, Any]) -> None:
    if after["status"] == "enabled" and before["status"] != "enabled":
        connection.compute.enable_service(service.id)
    elif after["status"] == "disabled" and any(after.get(name, before[name]) != before[name] for name in ("status", "disabled_reason")):
        connection.compute.disable_service(service.id, disabled_reason=after.get("disabled_reason"))
    if "forced_down" in after and after["forced_down"] != before["forced_down"]:
        connection.compute.update_service_forced_down(service.id, forced=after["forced_down"])


def _move_all(connection: Any, plan: list[tuple[Any, str]], params: dict[str, Any]) -> None:
    """A few at a time; the first failure ends it, with the rest still where they are."""
    width = max(1, params["parallel"])
    for start in range(0, len(plan), width):
        batch = plan[start : start + width]
        for server, state in batch:
            start_move(connection, server, state, None)
        # Every one of the batch is seen to its end, also after one has failed.
        failures = [reason for server, state in batch for reason in _finished(connection, server, state, params["timeout_seconds"])]
        if failures:
            raise Refusal(*failures)


def _finished(connection: Any, server: Any, state: str, timeout_seconds: float) -> list[str]:
    try:
        finish_move(connection, server, state, timeout_seconds)
    except Refusal as refusal:
        return refusal.reasons
    return []
