#!/usr/bin/python
"""Puts a compute host of an OpenStack cloud into service or out of it, or empties it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_host
short_description: Enable, disable and drain compute hosts of a cloud
description:
  - Makes a compute host what the task says. It needs an administrator's credentials.
author:
  - The cloudd authors (@cloudd)
attributes:
  check_mode:
    support: full
    description: Says what would change and changes nothing.
  diff_mode:
    support: full
    description: Shows each aspect that changes, before and after.
  idempotent:
    support: full
    description: A second run changes nothing.
options:
  name:
    description:
      - Name of the host.
    type: str
    required: true
  state:
    description:
      - V(enabled) lets it have new instances.
      - V(disabled) lets it have no new ones; those that are there go on.
      - V(drained) disables it, then moves every instance to other hosts; running and paused ones while they run, those that are off by
        cold migration, which is confirmed at once. Refused as a whole while one of them cannot be moved.
    type: str
    choices: [enabled, disabled, drained]
    default: enabled
  reason:
    description:
      - Why it is out of service. Without it, a reason that is there stays.
    type: str
  forced_down:
    description:
      - V(true) declares it dead, so that its instances may be evacuated at once. Say so only when it is certain that nothing runs on
        it any more; switch it off first. V(false) takes that back.
    type: bool
  parallel:
    description:
      - How many instances O(state=drained) moves at a time.
    type: int
    default: 2
  timeout_seconds:
    description:
      - How long each move may take.
    type: int
    default: 1800
extends_documentation_fragment:
  - cloud_session
seealso:
  - module: cloud_host_info
  - module: cloud_instance
"""

EXAMPLES = r"""
- name: Empty a host for maintenance
  cloud_host:
    cloud: quickstart
    name: compute1
    state: drained
    reason: new memory

- name: Take it back
  cloud_host:
    cloud: quickstart
    name: compute1
    state: enabled

- name: Declare a host dead that has been switched off
  cloud_host:
    cloud: quickstart
    name: compute2
    state: disabled
    forced_down: true
    reason: power supply burnt
"""

RETURN = r"""
host:
  description: The host as it is afterwards, in the shape of M(cloud_host_info).
  returned: success
  type: dict
  sample: {name: compute1, status: disabled, state: up, instances: []}
changes:
  description: Names of the aspects that changed, or would change in check mode.
  returned: success
  type: list
  elements: str
  sample: [status, instances]
reasons:
  description: Each reason why the wish cannot be granted.
  returned: failure
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cloud_host_state import bring_about
from ansible.module_utils.cloud_session import SESSION_ARGUMENTS, run

ARGUMENTS: dict[str, dict[str, Any]] = {
    **SESSION_ARGUMENTS,
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["enabled", "disabled", "drained"], "default": "enabled"},
    "reason": {"type": "str"},
    "forced_down": {"type": "bool"},
    "parallel": {"type": "int", "default": 2},
    "timeout_seconds": {"type": "int", "default": 1800},
}


def main() -> None:
    """Run as a module."""
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), bring_about)


if __name__ == "__main__":
    main()
