#!/usr/bin/python
"""Tells about volumes of an OpenStack cloud."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_volume_info
short_description: Tell about volumes of a cloud
description:
  - Returns the volumes of the project, or of all projects, that match every condition given.
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
      - Name or id of a volume. Without it, all are returned.
    type: str
  instance:
    description:
      - Name or id of the instance that a volume must be attached to.
    type: str
  metadata:
    description:
      - Metadata that a volume must have, at least.
    type: dict
  status:
    description:
      - Status that a volume must have, such as V(available) or V(in-use).
    type: str
  all_projects:
    description:
      - Whether to look in every project, for which the cloud wants an administrator.
    type: bool
    default: false
extends_documentation_fragment:
  - cloud_session
seealso:
  - module: cloud_volume
"""

EXAMPLES = r"""
- name: Find volumes that nothing uses
  cloud_volume_info:
    cloud: quickstart
    status: available
  register: unused
"""

RETURN = r"""
volumes:
  description: The volumes that match, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: Its id., type: str}
    name: {description: Its name., type: str}
    status: {description: "Its status, such as available, in-use or error.", type: str}
    size_gib: {description: Its size in GiB., type: int}
    volume_type: {description: Name of its type., type: str}
    bootable: {description: Whether an instance may boot from it., type: bool}
    availability_zone: {description: Where it is., type: str}
    description: {description: Text about it., type: str}
    metadata: {description: Its metadata., type: dict}
    image_id: {description: Id of the image it was made from., type: str}
    snapshot_id: {description: Id of the snapshot it was made from., type: str}
    source_volume_id: {description: Id of the volume it was copied from., type: str}
    attachments:
      description: What it is attached to; each has instance_id, instance (its name), device and attachment_id.
      type: list
    project_id: {description: "The project it belongs to, for administrators.", type: str}
    created_at: {description: When it was made., type: str}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cloud_session import SESSION_ARGUMENTS, run
from ansible.module_utils.cloud_volume_view import volume_views

ARGUMENTS: dict[str, dict[str, Any]] = {
    **SESSION_ARGUMENTS,
    "name": {"type": "str"},
    "instance": {"type": "str"},
    "metadata": {"type": "dict"},
    "status": {"type": "str"},
    "all_projects": {"type": "bool", "default": False},
}


def act(connection: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Return the volumes that match."""
    volumes = list(connection.block_storage.volumes(details=True, all_projects=params["all_projects"]))
    views = [view for view in volume_views(connection, volumes, params["all_projects"]) if matches(view, params)]
    return {"changed": False, "volumes": sorted(views, key=lambda view: (view["name"] or "", view["id"]))}


def matches(view: dict[str, Any], params: dict[str, Any]) -> bool:
    """Whether the volume meets every condition that is given."""
    wished = {str(key): str(value) for key, value in (params["metadata"] or {}).items()}
    users = {user for attachment in view["attachments"] for user in (attachment["instance"], attachment["instance_id"])}
    return (
        params["name"] in (None, view["name"], view["id"])
        and (params["instance"] is None or params["instance"] in users)
        and (params["status"] or view["status"]).lower() == view["status"]
        and wished.items() <= view["metadata"].items()
    )


def main() -> None:
    """Run as a module."""
    run(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), act)


if __name__ == "__main__":
    main()
