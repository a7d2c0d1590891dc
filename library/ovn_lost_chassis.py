#!/usr/bin/python
"""Module `ovn_lost_chassis`: hosts that are gone for good disappear from OVN's southbound database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ovn_lost_chassis
short_description: Removes the chassis of hosts that no longer exist
description:
  - A host that leaves in order removes its own chassis.
  - Until that of a lost one goes, the others keep tunnels to it and ports stay bound there.
  - Run on a control host. Never name a host whose ovn-controller runs - it would only come back.
options:
  hosts:
    description: The hosts' names, as their chassis have them.
    type: list
    elements: str
    required: true
author:
  - The maintainers
attributes:
  check_mode:
    description: Tells what would be done.
    support: full
"""

EXAMPLES = r"""
- name: Forget a host
  ovn_lost_chassis:
    hosts: [cmp2]
"""

RETURN = r"""
removed:
  description: Names of the chassis that were removed.
  type: list
  returned: always
"""

import json

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {"hosts": {"type": "list", "elements": "str", "required": True}}
SBCTL = ["ovn-sbctl", "--no-leader-only", "--timeout=30"]


def chassis_of(text, hosts):
    """Names of the chassis of these hosts, from a JSON list of names and host names."""
    return sorted(name for name, hostname in json.loads(text or '{"data": []}')["data"] if hostname in set(hosts))


def main() -> None:
    """Look and remove."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    listing = [*SBCTL, "--format=json", "--columns=name,hostname", "list", "Chassis"]
    removed = chassis_of(module.run_command(listing, check_rc=True)[1], module.params["hosts"])
    if not module.check_mode:
        for name in removed:
            private = ["--", "--if-exists", "destroy", "Chassis_Private", name]
            module.run_command([*SBCTL, "--if-exists", "chassis-del", name, *private], check_rc=True)
    module.exit_json(changed=bool(removed), removed=removed)


if __name__ == "__main__":
    main()
