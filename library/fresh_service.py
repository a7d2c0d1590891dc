#!/usr/bin/python
"""Module `fresh_service`: units run, at boot too, and never on older files than those on disk."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fresh_service
short_description: Starts systemd units, and restarts those whose files are newer than their start
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
  enabled:
    description: Whether the units start at boot. Left alone when not given.
    type: bool
  state:
    description:
      - With V(started), units that are down are started, and stale ones restarted.
      - With V(running), only units that are down are started, and stale ones stay as they are.
      - With V(fresh), only stale ones that run are restarted; it suits units that a socket starts.
      - With V(stopped), they are stopped; units that do not exist are stopped enough.
    type: str
    choices: [started, running, fresh, stopped]
    default: started
  guard:
    description:
      - A command that must succeed before a unit is restarted, tried until O(timeout_seconds) are over.
      - It tells whether the others can spare the unit, so with C(throttle) 1 a cluster is restarted member by member,
        and none is touched after one that does not come back.
    type: str
    default: ""
  healthy:
    description: A command that must succeed after a restart, tried until O(timeout_seconds) are over.
    type: str
    default: ""
  wait:
    description: Whether to wait until the units that are started have come up. Some wait for other hosts as they start.
    type: bool
    default: true
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
"""

import time
from collections.abc import Callable
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "units": {"type": "list", "elements": "str", "required": True},
    "watched": {"type": "dict", "default": {}},
    "enabled": {"type": "bool"},
    "state": {"type": "str", "choices": ["started", "running", "fresh", "stopped"], "default": "started"},
    "guard": {"type": "str", "default": ""},
    "healthy": {"type": "str", "default": ""},
    "wait": {"type": "bool", "default": True},
    "timeout_seconds": {"type": "int", "default": 600},
}

UNITS = Path("/etc/systemd/system")
PROPERTIES = "Id,LoadState,UnitFileState,ActiveState,ActiveEnterTimestampMonotonic,FragmentPath,NeedDaemonReload"


def parse_show(text: str) -> dict:
    """`systemctl show` of several units: unit → property → value."""
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.strip().split("\n\n")]
    return {block["Id"]: block for block in blocks if block.get("Id")}


def started_at(unit: dict, now: float, monotonic: float) -> float:
    """When the unit became active, in seconds since 1970. The monotonic clock is used because the other one may be set meanwhile."""
    return now - monotonic + int(unit.get("ActiveEnterTimestampMonotonic") or 0) / 1e6


def newest(paths: list) -> float:
    """When the latest of these changed; 0 when none is there. A link's own time counts, not its target's."""
    times = [Path(path).lstat().st_mtime for path in paths if Path(path).exists() or Path(path).is_symlink()]
    return max(times, default=0.0)


def unit_files(name: str, unit: dict, directory: Path = UNITS) -> list:
    """The unit's own file and what adds to it."""
    return [unit.get("FragmentPath") or "/nonexistent", *map(str, sorted((directory / f"{name}.d").glob("*.conf")))]


def plan(names: list, units: dict, state: str, enabled: bool | None, is_stale: Callable[[str], bool]) -> list[list[str]]:
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
        active = units.get(name, {}).get("ActiveState") in ("active", "activating", "reloading")
        if not active and state in ("started", "running"):
            calls.append(["start", name])
        elif active and state != "running" and is_stale(name):
            calls.append(["restart", name])
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


def carry_out(module, call: list) -> None:
    """Run one call of systemctl; a restart only when the others can spare the unit, and until it is well again."""
    restarts = call[0] == "restart"
    wait_for(module, module.params["guard"] if restarts else "", f"{call[-1]} needs a restart and cannot be spared")
    patience = ["--no-block"] if call[0] == "start" and not module.params["wait"] else []
    # Some units wait for other hosts as they start, for as long as it takes.
    status, _, errors = module.run_command(["timeout", str(module.params["timeout_seconds"]), "systemctl", *patience, *call])
    if status:
        _, journal, _ = module.run_command(["journalctl", "--no-pager", "--lines=20", "--output=cat", "--unit", call[-1]])
        module.fail_json(
            msg=f"systemctl {' '.join(call)} failed: {errors.strip() or 'it takes too long'}\nThe last of its journal:\n{journal.strip()}",
            code="service.start_failed",
            remedy=f"read `journalctl --unit {call[-1]}` on the host, mend the cause, and run it again",
        )
    wait_for(module, module.params["healthy"] if restarts else "", f"{call[-1]} was restarted and is not well")


def main() -> None:
    """Look at the units, tell what is to be done, and do it."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
    )
    names, watched = module.params["units"], module.params["watched"]
    _, shown, _ = module.run_command(["systemctl", "show", f"--property={PROPERTIES}", *names], check_rc=True)
    _, loaded, _ = module.run_command(["systemctl", "show", "--property=UnitsLoadTimestampMonotonic", "--value"], check_rc=True)
    units = parse_show(shown)
    now, monotonic = time.time(), time.monotonic()
    loaded_at = now - monotonic + int(loaded.strip() or 0) / 1e6
    for name, unit in units.items():
        # systemd itself does not see a directory of additions that is new.
        if newest(unit_files(name, unit)) > loaded_at:
            unit["NeedDaemonReload"] = "yes"

    def is_stale(name: str) -> bool:
        return newest([*watched.get(name, []), *unit_files(name, units[name])]) > started_at(units[name], now, monotonic)

    calls = plan(names, units, module.params["state"], module.params["enabled"], is_stale)
    if not module.check_mode:
        for call in calls:
            carry_out(module, call)
    module.exit_json(changed=bool(calls), actions=[" ".join(call) for call in calls])


if __name__ == "__main__":
    main()
