"""Moves an instance to another host of the cloud: shut down, while it runs, or away from a host that is dead."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.cloud_instance_view import instance_view
from ansible.module_utils.cloud_session import Refusal, find_or_none
from ansible.module_utils.cloud_wait import wait_until

#: state of the module → statuses from which it can be done
MOVABLE = {
    "migrated": ("ACTIVE", "SHUTOFF"),
    "live_migrated": ("ACTIVE", "PAUSED"),
    "evacuated": ("ACTIVE", "SHUTOFF", "ERROR"),
}
#: what the compute API calls the power state of a guest that runs
POWER_RUNNING = 1


def bring_elsewhere(connection: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Move the instance unless it is where it shall be; the module's result: changed, changes, instance, diff."""
    server = find_anywhere(connection, params["name"])
    view = instance_view(connection, server)
    before = view["host"]
    if is_in_place(before, params):
        return {"changed": False, "changes": [], "instance": view, "diff": {"before": {}, "after": {}}}
    refuse_move(server, params["state"])
    after = params["host"] or "another host"
    if not check_mode:
        start_move(connection, server, params["state"], params["host"])
        if params["wait"]:
            server = finish_move(connection, server, params["state"], params["timeout_seconds"])
            after = server.compute_host
        view = instance_view(connection, connection.compute.get_server(server.id))
    return {"changed": True, "changes": ["host"], "instance": view, "diff": {"before": {"host": before}, "after": {"host": after}}}


def find_anywhere(connection: Any, name: str) -> Any:
    """The server of that name or id: the project's own, or else one of any project. Refusal."""
    server = find_or_none("instance", name, connection.compute.find_server)
    if server is None:
        found = [one for one in connection.compute.servers(all_projects=True) if name in (one.id, one.name)]
        if len(found) != 1:
            many = f"{len(found)} instances of other projects have" if found else "No instance of any project has"
            raise Refusal(f"{many} the name or id {name!r}: give the id of one that is there.")
        server = connection.compute.get_server(found[0].id)
    if server.compute_host is None:
        raise Refusal(f"The cloud does not tell which host instance {server.name} is on. Use an administrator's credentials.")
    return server


def is_in_place(host: str, params: dict[str, Any]) -> bool:
    """Whether nothing needs to be moved: it is on the wished host, or no longer on the one to leave."""
    if params["host"] is not None:
        return bool(host == params["host"])
    return params["away_from"] is not None and bool(host != params["away_from"])


def refuse_move(server: Any, state: str) -> None:
    """Refuse a move that cannot be made from the instance's present status."""
    if server.task_state:
        raise Refusal(f"Instance {server.name} is busy ({server.task_state}). Wait until that has ended.")
    if server.status not in MOVABLE[state]:
        hint = {
            "VERIFY_RESIZE": "Confirm or revert its resize first.",
            "SHUTOFF": "Use state: migrated for an instance that is off.",
            "PAUSED": "Use state: live_migrated for an instance that is paused.",
            "SUSPENDED": "Resume it first (state: started).",
        }.get(server.status, "Bring it to ACTIVE first.")
        raise Refusal(f"Instance {server.name} is {server.status} and cannot become {state} from there. {hint}")


def start_move(connection: Any, server: Any, state: str, host: str | None) -> None:
    """Ask the cloud for the move."""
    if state == "migrated":
        connection.compute.migrate_server(server.id, host=host)
    elif state == "live_migrated":
        connection.compute.live_migrate_server(server.id, host=host)
    else:
        connection.compute.evacuate_server(server.id, host=host)


def finish_move(connection: Any, server: Any, state: str, timeout_seconds: float) -> Any:
    """Wait for the end of the move, decide a cold one, start again what ran; the server afterwards. Refusal where it failed."""
    what = f"instance {server.name} ({server.id}) {state} from host {server.compute_host}"
    moved = wait_until(what, lambda: connection.compute.get_server(server.id), lambda seen: not seen.task_state, timeout_seconds)
    if moved.compute_host == server.compute_host:
        raise Refusal(f"Instance {server.name} is still on host {server.compute_host}: {_reason(connection, moved)}")
    if moved.status == "VERIFY_RESIZE":
        connection.compute.confirm_server_resize(server.id)
    elif state == "evacuated" and _ran(server) and moved.status == "SHUTOFF":
        # Clouds of today leave an evacuated instance off, for its owner to look at first; this task says what it wants.
        connection.compute.start_server(server.id)
    else:
        return moved
    wanted = "SHUTOFF" if server.status == "SHUTOFF" else "ACTIVE"

    def is_done(seen: Any) -> bool:
        return bool(seen.status == wanted and not seen.task_state)

    return wait_until(f"{what} in status {wanted}", lambda: connection.compute.get_server(server.id), is_done, timeout_seconds)


def _ran(server: Any) -> bool:
    """Whether it ran when it was last seen; one whose evacuation has failed before is in ERROR, whatever it did."""
    return bool(server.status == "ACTIVE" or (server.status == "ERROR" and server.power_state == POWER_RUNNING))


def _reason(connection: Any, server: Any) -> str:
    """What the cloud says of the last thing that was done to the instance."""
    fault = (server.fault or {}).get("message")
    if fault:
        return str(fault)
    for action in connection.compute.server_actions(server.id):
        shown = connection.compute.get_server_action(action.request_id, server.id)
        for event in shown.events or []:
            details = event.get("details") if isinstance(event, dict) else event.details
            if details:
                return str(details)
        break
    return "the cloud gives no reason. Look at its actions (openstack server event list)."
