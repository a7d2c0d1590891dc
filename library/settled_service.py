#!/usr/bin/python
"""Module `settled_service`: waits until units have run for a while without ending."""

from __future__ import annotations

DOCUMENTATION = r"""
module: settled_service
short_description: Waits until systemd units have run for some seconds on end
description:
  - A unit that systemd starts again and again runs most of the time it is looked at; here it counts as not running.
options:
  units:
    description: Units that shall run.
    type: list
    elements: str
    required: true
  seconds:
    description: For how long each of them must have run.
    type: float
    default: 5
  timeout_seconds:
    description: How long to wait for that.
    type: int
    default: 60
author:
  - The maintainers
attributes:
  check_mode:
    description: Changes nothing in either mode.
    support: full
"""

EXAMPLES = r"""
- name: Verify that the agents run
  settled_service:
    units: [cloudd-agent.service]
"""

RETURN = r"""
waited_seconds:
  description: How long it took.
  type: float
  returned: always
"""

import time

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "units": {"type": "list", "elements": "str", "required": True},
    "seconds": {"type": "float", "default": 5},
    "timeout_seconds": {"type": "int", "default": 60},
}
PROPERTIES = "Id,ActiveState,ActiveEnterTimestampMonotonic"
PAUSE_SECONDS = 0.5


def unsettled(text: str, units: list, monotonic: float, seconds: float) -> dict:
    """Units that have not run for so long, with what they do, from the text of `systemctl show`."""
    shown = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.strip().split("\n\n")]
    ages = {
        unit["Id"]: monotonic - int(unit.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
        for unit in shown
        if unit.get("ActiveState") == "active"
    }
    states = {unit["Id"]: unit.get("ActiveState", "") for unit in shown if "Id" in unit}
    return {
        unit: f"has run for {ages[unit]:.1f} s" if unit in ages else states.get(unit, "unknown")
        for unit in units
        if ages.get(unit, -1.0) < seconds
    }


def main() -> None:
    """Look until all is well or time is up."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    units, begun = module.params["units"], time.monotonic()
    while True:
        _, text, _ = module.run_command(["systemctl", "show", f"--property={PROPERTIES}", *units])
        waiting = unsettled(text, units, time.clock_gettime(time.CLOCK_MONOTONIC), module.params["seconds"])
        if not waiting or module.check_mode:
            module.exit_json(changed=False, waited_seconds=round(time.monotonic() - begun, 1))
        if time.monotonic() - begun > module.params["timeout_seconds"]:
            unit, state = next(iter(waiting.items()))
            _, journal, _ = module.run_command(["journalctl", "--no-pager", "--lines=20", "--output=cat", "--unit", unit])
            module.fail_json(
                msg=f"{unit} does not keep running: {state}\nThe last of its journal:\n{journal.strip()}",
                code="service.not_settled",
                remedy=f"read `journalctl --unit {unit}` on the host and mend the cause",
            )
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
