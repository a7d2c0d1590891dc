#!/usr/bin/python
"""Module `ovn_databases`: where OVN's two databases listen for other hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ovn_databases
short_description: Opens OVN's databases on this host to the network, over TLS
description:
  - Works on the local servers by their unix sockets. What it writes is replicated, so in a cluster the first member does it for all.
  - The certificates are given to the servers when they start.
  - A member that had lost its file and joined anew expels the server that it was before.
options:
  northbound:
    description: Where the northbound database listens, such as C(pssl:6641).
    type: str
    required: true
  southbound:
    description: Where the southbound database listens, such as C(pssl:6642).
    type: str
    required: true
  timeout_seconds:
    description: How long a database may take until it answers; a new member of a cluster does so once it has joined.
    type: int
    default: 60
author:
  - The maintainers
attributes:
  check_mode:
    description: Tells what would be done.
    support: full
"""

EXAMPLES = r"""
- name: Open the databases
  ovn_databases:
    northbound: pssl:6641
    southbound: pssl:6642
"""

RETURN = r"""
commands:
  description: What was done.
  type: list
  returned: always
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.ovn_membership import DATABASES, SCHEMAS, former_selves, state_of

ARGUMENTS = {
    "northbound": {"type": "str", "required": True},
    "southbound": {"type": "str", "required": True},
    "timeout_seconds": {"type": "int", "default": 60},
}
TOOLS = {"northbound": "ovn-nbctl", "southbound": "ovn-sbctl"}


def plan(tool, connection, listening):
    """The commands that bring one database from `listening` (what get-connection tells) to `connection`."""
    # The southbound database tells the role of each connection before its target.
    if [line.split()[-1] for line in listening.splitlines() if line.strip()] == [connection]:
        return []
    return [[*tool, "set-connection", connection]]


def listening(module, name, tool):
    """What the database tells of its connections, as soon as it answers: a new member first has to join."""
    deadline = time.monotonic() + module.params["timeout_seconds"]
    while True:
        status, out, errors = module.run_command([*tool, "get-connection"])
        if not status:
            return out
        if time.monotonic() > deadline:
            module.fail_json(
                msg=f"ovn.database_silent: the {name} database does not answer: {errors.strip()}",
                code="ovn.database_silent",
                remedy=f"ovn-appctl -t {DATABASES[name].control} cluster/status tells whether it has joined; logs are in /var/log/ovn",
            )
        time.sleep(0.5)


def main() -> None:
    """Compare and act."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
    )
    commands = []
    for name, program in TOOLS.items():
        if module.check_mode and not os.path.exists(DATABASES[name].socket):
            commands.append([program, "set-connection", module.params[name]])
            continue
        # Any member answers, and hands writes to its leader.
        tool = [program, "--no-leader-only", "--timeout=10"]
        commands += plan(tool, module.params[name], listening(module, name, tool))
        kick = ["ovn-appctl", "--timeout=20", "-t", DATABASES[name].control, "cluster/kick", SCHEMAS[name]]
        commands += [[*kick, former] for former in former_selves(state_of(DATABASES[name], module.run_command))]
    if not module.check_mode:
        for command in commands:
            module.run_command(command, check_rc=True)
    module.exit_json(changed=bool(commands), commands=[" ".join(command) for command in commands])


if __name__ == "__main__":
    main()
