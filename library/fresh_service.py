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
      - With V(fresh), only stale ones that run are restarted; it suits units that a socket starts.
      - With V(stopped), they are stopped; units that do not exist are stopped enough.
    type: str
    choices: [started, fresh, stopped]
    default: started
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
    "state": {"type": "str", "choices": ["started", "fresh", "stopped"], "default": "started"},
}

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
        if not active and state == "started":
            calls.append(["start", name])
        elif active and is_stale(name):
            calls.append(["restart", name])
    return calls


def main() -> None:
    """Look at the units, tell what is to be done, and do it."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
    )
    names, watched = module.params["units"], module.params["watched"]
    _, shown, _ = module.run_command(["systemctl", "show", f"--property={PROPERTIES}", *names], check_rc=True)
    units = parse_show(shown)
    now, monotonic = time.time(), time.monotonic()

    def is_stale(name: str) -> bool:
        files = [*watched.get(name, []), units[name].get("FragmentPath") or "/nonexistent"]
        return newest(files) > started_at(units[name], now, monotonic)

    calls = plan(names, units, module.params["state"], module.params["enabled"], is_stale)
    if not module.check_mode:
        for call in calls:
            status, _, errors = module.run_command(["systemctl", *call])
            if status:
                _, journal, _ = module.run_command(["journalctl", "--no-pager", "--lines=20", "--output=cat", "--unit", call[-1]])
                module.fail_json(
                    msg=f"systemctl {' '.join(call)} failed: {errors.strip()}\nThe last of its journal:\n{journal.strip()}",
                    code="service.start_failed",
                    remedy=f"read `journalctl --unit {call[-1]}` on the host, mend the cause, and run it again",
                )
    module.exit_json(changed=bool(calls), actions=[" ".join(call) for call in calls])


if __name__ == "__main__":
    main()
