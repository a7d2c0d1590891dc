#!/usr/bin/python
"""Module `ovn_databases`: where OVN's two databases listen for other hosts, and with which certificate."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ovn_databases
short_description: Opens OVN's databases on this host to the network, over TLS
description:
  - Works on the local databases by their unix sockets.
options:
  northbound:
    description: Where the northbound database listens, such as C(pssl:6641).
    type: str
    required: true
  southbound:
    description: Where the southbound database listens, such as C(pssl:6642).
    type: str
    required: true
  ssl:
    description: The paths C(key), C(certificate) and C(ca).
    type: dict
    required: true
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
    ssl: {key: /etc/cloudd/tls/host.key, certificate: /etc/cloudd/tls/host.pem, ca: /etc/cloudd/tls/ca.pem}
"""

RETURN = r"""
commands:
  description: What was done.
  type: list
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "northbound": {"type": "str", "required": True},
    "southbound": {"type": "str", "required": True},
    "ssl": {"type": "dict", "required": True},
}


def ssl_paths(text):
    """The three paths that `get-ssl` tells, in its order: key, certificate, authority."""
    return [line.split(": ", 1)[1].strip() for line in text.splitlines()[:3] if ": " in line]


def plan(tool, connection, ssl, listening, paths):
    """The commands that bring one database from (`listening`, `paths`) to (`connection`, `ssl`)."""
    commands = []
    if paths != ssl:
        commands.append([tool, "set-ssl", *ssl])
    # The southbound database tells the role of each connection before its target.
    if [line.split()[-1] for line in listening.splitlines() if line.strip()] != [connection]:
        commands.append([tool, "set-connection", connection])
    return commands


def main() -> None:
    """Compare and act."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
    )
    ssl = [module.params["ssl"][part] for part in ("key", "certificate", "ca")]
    commands = []
    for tool, connection in (("ovn-nbctl", module.params["northbound"]), ("ovn-sbctl", module.params["southbound"])):
        _, listening, _ = module.run_command([tool, "--timeout=30", "get-connection"], check_rc=True)
        _, text, _ = module.run_command([tool, "--timeout=30", "get-ssl"], check_rc=True)
        commands += plan(tool, connection, ssl, listening, ssl_paths(text))
    if not module.check_mode:
        for command in commands:
            module.run_command(command, check_rc=True)
    module.exit_json(changed=bool(commands), commands=[" ".join(command) for command in commands])


if __name__ == "__main__":
    main()
