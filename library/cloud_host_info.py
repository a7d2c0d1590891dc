#!/usr/bin/python
"""Tells about the compute hosts of an OpenStack cloud."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_host_info
short_description: Tell about compute hosts of a cloud
description:
  - Returns the compute hosts, with the instances on each. It needs an administrator's credentials.
author:
  - The cloudd authors (@cloudd)
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: none
    description: There is no difference to show.
  idempotent:
    support: full
    description: Changes nothing.
options:
  name:
    description:
      - Name of a host. Without it, all are returned.
    type: str
extends_documentation_fragment:
  - cloud_session
seealso:
  - module: cloud_host
"""

EXAMPLES = r"""
- name: See which hosts are down
  cloud_host_info:
    cloud: quickstart
  register: found

- name: Show them
  ansible.builtin.debug:
    msg: "{{ found.hosts | selectattr('state', 'eq', 'down') | map(attribute='name') }}"
"""

RETURN = r"""
hosts:
  description: The hosts that match, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Its name., type: str}
    id: {description: Id of its compute service., type: str}
    status: {description: "Whether it takes new instances: enabled or disabled.", type: str}
    state: {description: "Whether it is heard of: up or down.", type: str}
    forced_down: {description: Whether an operator has declared it dead., type: bool}
    disabled_reason: {description: Why it is out of service., type: str}
    availability_zone: {description: Where it is., type: str}
    updated_at: {description: When it was last heard of., type: str}
    instances: {description: "The instances on it, of all projects; each has id, name and status.", type: list}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cloud_host_view import host_view, services
from ansible.module_utils.cloud_session import SESSION_ARGUMENTS, run

ARGUMENTS: dict[str, dict[str, Any]] = {**SESSION_ARGUMENTS, "name": {"type": "str"}}


def act(connection: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Return the hosts that match."""
    found = [service for service in services(connection) if params["name"] in (None, service.host)]
    return {"changed": False, "hosts": [host_view(connection, service) for service in found]}


def main() -> None:
    """Run as a module."""
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), act)


if __name__ == "__main__":
    main()
