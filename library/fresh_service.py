#!/usr/bin/python
"""Module `fresh_service`: units run, at boot too, and never on older files than those on disk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fresh_service
short_description: Starts systemd units, and restarts or reloads those whose files are newer than what they run on
description:
  - Unlike a handler it needs no memory of what changed, so a run that was cut off between a change and its restart is healed by the next.
options:
  units:
    description: Units in the order in which to start them. Stopped and disabled in the reverse order.
    type: list
    elements: str
    required: true
  watched:
    description:
      - By unit, the files, links and directories it read at its start. It is restarted when one of them is newer.
      - Missing ones are ignored.
    type: dict
    default: {}
  reloaded:
    description:
      - By unit, the files it reads again when it is reloaded, without cutting anybody off.
      - It is reloaded when one of them is newer than its last reload.
    type: dict
    default: {}
  enabled:
    description: Whether the units start at boot. Left alone when not given.
    type: bool
  state:
    description:
      - With V(started), units that are down are started, and stale ones restarted.
      - With V(running), only units that are down are started, and stale ones stay as they are.
      - RV(stale) names them, so that they can take turns.
      - With V(fresh), only stale ones that run are restarted; it suits units that a socket starts.
      - With V(stopped), they are stopped; units that do not exist are stopped enough.
    type: str
    choices: [started, running, fresh, stopped]
    default: started
  guard:
    description:
      - A command that must succeed before a unit is restarted or reloaded, tried until O(timeout_seconds) are over.
      - It tells whether the others can spare the unit, so with C(throttle) 1 a cluster is restarted member by member,
        and none is touched after one that does not come back.
    type: str
    default: ""
  healthy:
    description: A command that must succeed after a restart or reload, tried until O(timeout_seconds) are over.
    type: str
    default: ""
  settle_seconds:
    description: For how long on end a unit must have run after its restart; one that ends again and again does not come that far.
    type: float
    default: 0
  wait:
    description: Whether to wait until the units that are started have come up. Some wait for other hosts as they start.
    type: bool
    default: true
  foretold:
    description:
      - In check mode, paths that the tasks before would have written; they count as newer than anything.
      - The action plugin of the same name fills it in.
    type: list
    elements: str
    default: []
  timeout_seconds:
    description: How long a unit may take to start, and the commands to succeed.
    type: int
    default: 600
author:
  - The maintainers
attributes:
  check_mode:
    description: Tells what would be done.
    support: full
"""

EXAMPLES = r"""
- name: Run the service on its present settings
  fresh_service:
    units: [cloudd-all.service]
    enabled: true
    watched:
      cloudd-all.service: [/etc/cloudd/cloudd.yaml]
"""

RETURN = r"""
actions:
  description: What was done, as arguments to systemctl.
  type: list
  returned: always
running:
  description: Those of O(units) that ran when the module came.
  type: list
  returned: always
stale:
  description: Units, those of O(watched) and O(reloaded) included, that ran on older files or settings when the module came.
  type: list
  returned: always
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "units": {"type": "list", "elements": "str", "required": True},
    "watched": {"type": "dict", "default": {}},
    "reloaded": {"type": "dict", "default": {}},
    "enabled": {"type": "bool"},
    "state": {"type": "str", "choices": ["started", "running", "fresh", "stopped"], "default": "started"},
    "guard": {"type": "str", "default": ""},
    "healthy": {"type": "str", "default": ""},
    "settle_seconds": {"type": "float", "default": 0},
    "wait": {"type": "bool", "default": True},
    "foretold": {"type": "list", "elements": "str", "default": []},
    "timeout_seconds": {"type": "int", "default": 600},
}

UNITS = Path("/etc/systemd/system")
PROPERTIES = (
    "Id,LoadState,UnitFileState,FragmentPath,NeedDaemonReload,ActiveState,ActiveEnterTimestampMonotonic,"
    "StateChangeTimestampMonotonic,ReloadResult"
)
ACTIVE = ("active", "activating", "reloading")


def parse_show(text: str) -> dict:
    """`systemctl show` of several units: unit → property → value."""
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.strip().split("\n\n")]
    return {block["Id"]: block for block in blocks if block.get("Id")}


def since_1970(unit: dict, moment: str, now: float, monotonic: float) -> float:
    """One of the unit's moments, such as ActiveEnter, in seconds since 1970. By the monotonic clock, for the other may be set meanwhile."""
    return now - monotonic + int(unit.get(f"{moment}TimestampMonotonic") or 0) / 1e6


def newest(paths: list, foretold: tuple = ()) -> float:
    """When the latest of these changed; 0 when none is there. A link's own time counts, not its target's; the foretold are to come."""
    if set(paths) & set(foretold):
        return math.inf
    times = [Path(path).lstat().st_mtime for path in paths if Path(path).exists() or Path(path).is_symlink()]
    return max(times, default=0.0)


def unit_files(name: str, unit: dict, directory: Path = UNITS, foretold: tuple = ()) -> list:
    """The unit's own file and what adds to it, those included that are foretold."""
    additions = directory / f"{name}.d"
    coming = [path for path in foretold if Path(path) == directory / name or Path(path).parent == additions]
    return [unit.get("FragmentPath") or "/nonexistent", *map(str, sorted(additions.glob("*.conf"))), *coming]


def due(unit: dict, read: list, reread: list, now: float, monotonic: float, foretold: tuple = ()) -> str:
    """What a unit that runs needs because of the files it reads at its start, and again at a reload: `restart`, `reload` or nothing."""
    started = since_1970(unit, "ActiveEnter", now, monotonic)
    if newest(read, foretold) > started:
        return "restart"
    # Its state changes when a reload begins and ends; one that failed has brought nothing.
    failed = unit.get("ReloadResult", "success") != "success"
    loaded = started if failed else max(started, since_1970(unit, "StateChange", now, monotonic))
    return "reload" if newest(reread, foretold) > loaded else ""


def plan(names: list, units: dict, state: str, enabled: bool | None, due_of: Callable[[str], str]) -> list[list[str]]:
    """The systemctl calls that bring the units to the wanted state, in order."""
    present = [name for name in names if units.get(name, {}).get("LoadState") not in (None, "not-found")]
    opposite = None if enabled is None else "disabled" if enabled else "enabled"
    switched = [name for name in present if units[name].get("UnitFileState") == opposite]
    calls = [["daemon-reload"]] if any(units[name].get("NeedDaemonReload") == "yes" for name in present) else []
    if state == "stopped":
        calls += [["stop", name] for name in reversed(present) if units[name].get("ActiveState") not in ("inactive", "failed")]
    if switched:
        calls.append(["enable" if enabled else "disable", "--quiet", *switched])
    if state == "stopped":
        return calls
    for name in names:
        active = units.get(name, {}).get("ActiveState") in ACTIVE
        if not active and state in ("started", "running"):
            calls.append(["start", name])
        elif active and state != "running" and due_of(name):
            calls.append([due_of(name), name])
    return calls


def wait_for(module, command: str, purpose: str) -> None:
    """Try the command until it succeeds; fail with what it said last."""
    deadline = time.monotonic() + module.params["timeout_seconds"]
    while command:
        status, out, errors = module.run_command(command)
        if not status:
            return
        if time.monotonic() > deadline:
            module.fail_json(
                msg=f"{purpose}: `{command}` says: {errors.strip() or out.strip()}",
                code="service.not_healthy",
                remedy="bring back what it names, and run it again; nothing else was restarted",
            )
        time.sleep(1)


def journal_of(module, unit: str) -> str:
    """The last words of a unit."""
    _, text, _ = module.run_command(["journalctl", "--no-pager", "--lines=20", "--output=cat", "--unit", unit])
    return f"The last of its journal:\n{text.strip()}"


def settle(module, name: str) -> None:
    """Wait until the unit has run for `settle_seconds` on end."""
    deadline = time.monotonic() + module.params["settle_seconds"] + module.params["timeout_seconds"]
    while module.params["settle_seconds"]:
        _, shown, _ = module.run_command(["systemctl", "show", f"--property={PROPERTIES}", name])
        unit = parse_show(shown).get(name, {})
        ran = time.monotonic() - int(unit.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
        if unit.get("ActiveState") == "active" and ran >= module.params["settle_seconds"]:
            return
        if time.monotonic() > deadline:
            module.fail_json(
                msg=f"{name} was restarted and does not keep running: {unit.get('ActiveState', 'unknown')}\n{journal_of(module, name)}",
                code="service.not_settled",
                remedy=f"read `journalctl --unit {name}` on the host, mend the cause, and run it again",
            )
        time.sleep(0.5)


def carry_out(module, call: list) -> None:
    """Run one call of systemctl; a restart only when the others can spare the unit, and until it is well again."""
    disturbs = call[0] in ("restart", "reload")
    wait_for(module, module.params["guard"] if disturbs else "", f"{call[-1]} needs a {call[0]} and cannot be spared")
    patience = ["--no-block"] if call[0] == "start" and not module.params["wait"] else []
    # Some units wait for other hosts as they start, for as long as it takes.
    status, _, errors = module.run_command(["timeout", str(module.params["timeout_seconds"]), "systemctl", *patience, *call])
    if status:
        module.fail_json(
            msg=f"systemctl {' '.join(call)} failed: {errors.strip() or 'it takes too long'}\n{journal_of(module, call[-1])}",
            code="service.start_failed",
            remedy=f"read `journalctl --unit {call[-1]}` on the host, mend the cause, and run it again",
        )
    wait_for(module, module.params["healthy"] if disturbs else "", f"{call[-1]} had its {call[0]} and is not well")


def main() -> None:
    """Look at the units, tell what is to be done, and do it."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
    )
    names, watched, reloaded = (module.params[name] for name in ("units", "watched", "reloaded"))
    everyone = list(dict.fromkeys([*names, *watched, *reloaded]))
    _, shown, _ = module.run_command(["systemctl", "show", f"--property={PROPERTIES}", *everyone], check_rc=True)
    # The second is of the boot, and the first of a reload since.
    moments = "--property=UnitsLoadTimestampMonotonic,UnitsLoadFinishTimestampMonotonic"
    _, loaded, _ = module.run_command(["systemctl", "show", moments, "--value"], check_rc=True)
    units = parse_show(shown)
    now, monotonic, foretold = time.time(), time.monotonic(), tuple(module.params["foretold"])
    loaded_at = now - monotonic + max(map(int, loaded.split()), default=0) / 1e6
    for name, unit in units.items():
        # systemd itself does not see a directory of additions that is new.
        if newest(unit_files(name, unit, foretold=foretold), foretold) > loaded_at:
            unit["NeedDaemonReload"] = "yes"

    def due_of(name: str) -> str:
        unit = units.get(name, {})
        if unit.get("ActiveState") not in ACTIVE:
            return ""
        read = [*watched.get(name, []), *unit_files(name, unit, foretold=foretold)]
        return due(unit, read, reloaded.get(name, []), now, monotonic, foretold)

    stale = [name for name in everyone if due_of(name)]
    calls = plan(names, units, module.params["state"], module.params["enabled"], due_of)
    if not module.check_mode:
        for call in calls:
            carry_out(module, call)
        for name in [call[-1] for call in calls if call[0] == "restart"]:
            settle(module, name)
    actions = [" ".join(call) for call in calls]
    diff = {"prepared": "".join(f"systemctl {action}\n" for action in actions)}
    running = [name for name in names if units.get(name, {}).get("ActiveState") == "active"]
    module.exit_json(changed=bool(calls), actions=actions, running=running, stale=stale, diff=diff)


if __name__ == "__main__":
    main()
