#!/usr/bin/python
"""Tells about instances of an OpenStack cloud."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_instance_info
short_description: Tell about instances of a cloud
description:
  - Returns the instances of the project, or of all projects, that match every condition given.
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
      - Name or id of an instance. Without it, all are returned.
    type: str
  metadata:
    description:
      - Metadata that an instance must have, at least.
    type: dict
  tags:
    description:
      - Tags that an instance must have, at least.
    type: list
    elements: str
  status:
    description:
      - Status that an instance must have, such as V(ACTIVE) or V(SHUTOFF).
    type: str
  host:
    description:
      - The host that an instance must be on, for administrators.
    type: str
  all_projects:
    description:
      - Whether to look in every project, for which the cloud wants an administrator.
    type: bool
    default: false
extends_documentation_fragment:
  - cloud_session
seealso:
  - module: cloud_instance
"""

EXAMPLES = r"""
- name: Find the running web servers
  cloud_instance_info:
    cloud: quickstart
    metadata: {role: web}
    status: ACTIVE
  register: web
"""

RETURN = r"""
instances:
  description: The instances that match, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Its id., type: str}
    name: {description: Its name., type: str}
    status: {description: "Its status, such as ACTIVE, SHUTOFF, BUILD or ERROR.", type: str}
    task_state: {description: What the cloud is doing with it now., type: str}
    fault: {description: Why it is in ERROR., type: str}
    flavor: {description: Name of its flavor., type: str}
    image_id: {description: Id of its image; null if it boots from a volume., type: str}
    boot_volume_id: {description: Id of the volume that it boots from; null if it boots from an image., type: str}
    key_name: {description: Its keypair., type: str}
    availability_zone: {description: Where it is., type: str}
    host: {description: "The host that runs it, for administrators.", type: str}
    config_drive: {description: Whether it has a config drive., type: bool}
    description: {description: Text about it., type: str}
    metadata: {description: Its metadata., type: dict}
    tags: {description: Its tags., type: list}
    networks:
      description: >-
        Its interfaces; each has port_id, network_id, network, mac_address, fixed_ips, floating_ips, security_groups and security_group_ids.
      type: list
    security_groups: {description: Names of the security groups of its ports., type: list}
    volumes: {description: Ids of its volumes., type: list}
    fixed_ip: {description: Its first fixed address., type: str}
    floating_ip: {description: Its first floating IP., type: str}
    project_id: {description: The project it belongs to., type: str}
    created_at: {description: When it was made., type: str}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cloud_instance_view import instance_views
from ansible.module_utils.cloud_session import SESSION_ARGUMENTS, run

ARGUMENTS: dict[str, dict[str, Any]] = {
    **SESSION_ARGUMENTS,
    "name": {"type": "str"},
    "metadata": {"type": "dict"},
    "tags": {"type": "list", "elements": "str"},
    "status": {"type": "str"},
    "host": {"type": "str"},
    "all_projects": {"type": "bool", "default": False},
}


def act(connection: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Return the instances that match."""
    found = connection.compute.servers(details=True, all_projects=params["all_projects"])
    servers = [server for server in found if matches(server, params)]
    views = sorted(instance_views(connection, servers), key=lambda view: (view["name"], view["id"]))
    return {"changed": False, "instances": views}


def matches(server: Any, params: dict[str, Any]) -> bool:
    """Whether the server meets every condition that is given."""
    wished = {str(key): str(value) for key, value in (params["metadata"] or {}).items()}
    return (
        params["name"] in (None, server.name, server.id)
        and (params["status"] or server.status).upper() == server.status
        and wished.items() <= dict(server.metadata or {}).items()
        and params["host"] in (None, server.compute_host)
        and set(params["tags"] or []) <= set(server.tags or [])
    )


def main() -> None:
    """Run as a module."""
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), act)


if __name__ == "__main__":
    main()
