#!/usr/bin/python
"""Module `ovn_cluster_info`: what a host has of OVN's two databases, and what it knows of their clusters."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ovn_cluster_info
short_description: Tells the state of OVN's databases on this host
description:
  - Changes nothing, and needs no database to run.
options: {}
author:
  - The maintainers
attributes:
  check_mode:
    description: Changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Look at the databases
  ovn_cluster_info:
  register: databases
"""

RETURN = r"""
databases:
  description: >-
    C(northbound) and C(southbound), each with C(kind) (none, standalone, joining, cluster), C(content), C(running), C(cluster_id),
    C(server_id), C(address), C(role), C(status), C(leader) and C(servers).
  type: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.ovn_membership import DATABASES, state_of

ARGUMENTS: dict[str, dict[str, object]] = {}


def main() -> None:
    """Ask files and servers."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    # Before the packages are there (in check mode they may never come), nothing can be asked and there is nothing.
    run = module.run_command if module.get_bin_path("ovn-appctl") else lambda _command: (1, "", "")
    module.exit_json(changed=False, databases={name: state_of(database, run) for name, database in DATABASES.items()})


if __name__ == "__main__":
    main()
