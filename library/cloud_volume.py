#!/usr/bin/python
"""Makes a volume of an OpenStack cloud what a task says: present, absent, attached, detached or extended."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_volume
short_description: Make, attach, detach, extend and delete volumes of a cloud
description:
  - Makes a volume what the task says. What the task names becomes exactly so; what it leaves out stays as it is.
  - An aspect that cannot be changed on a volume, such as the image it was made from, is refused with the reason, and nothing is changed.
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
      - Name or id of the volume.
    type: str
    required: true
  state:
    description:
      - V(present) makes it if it is not there.
      - V(attached) makes it if need be, and attaches it to O(instance).
      - V(detached) detaches it from O(instance), or from whatever it is attached to. It must be there.
      - V(extended) makes it if need be, and grows it to O(size_gib).
    type: str
    choices: [present, absent, attached, detached, extended]
    default: present
  size_gib:
    description:
      - Size in GiB. Needed for a new volume unless its source tells it. Only O(state=extended) changes it, and only upwards.
    type: int
  image:
    description:
      - Name or id of an image to make it from. Cannot be changed later.
    type: str
  snapshot:
    description:
      - Name or id of a snapshot to make it from. Cannot be changed later.
    type: str
  source_volume:
    description:
      - Name or id of a volume to copy. Cannot be changed later.
    type: str
  volume_type:
    description:
      - Name or id of its type. Cannot be changed later.
    type: str
  availability_zone:
    description:
      - Where to make it. Cannot be changed later.
    type: str
  description:
    description:
      - Text about it.
    type: str
  metadata:
    description:
      - Its metadata, exactly. Values become strings.
    type: dict
  bootable:
    description:
      - Whether an instance may boot from it.
    type: bool
  instance:
    description:
      - Name or id of the instance, for O(state=attached) and O(state=detached).
    type: str
  device:
    description:
      - Device name to ask for when attaching, such as V(/dev/vdb). The guest may see another.
    type: str
  detach:
    description:
      - Permits O(state=absent) to detach it first. Without it, an attached volume is not deleted.
    type: bool
    default: false
extends_documentation_fragment:
  - cloud_session
  - cloud_session.wait
seealso:
  - module: cloud_volume_info
  - module: cloud_instance
"""

EXAMPLES = r"""
- name: Give the web server a disk for its data
  cloud_volume:
    cloud: quickstart
    name: web-data
    state: attached
    size_gib: 20
    instance: web

- name: Grow it
  cloud_volume:
    cloud: quickstart
    name: web-data
    state: extended
    size_gib: 40

- name: Delete it, though it is attached
  cloud_volume:
    cloud: quickstart
    name: web-data
    state: absent
    detach: true
"""

RETURN = r"""
volume:
  description: The volume as it is afterwards, in the shape of M(cloud_volume_info); null if there is none.
  returned: success
  type: dict
  sample: {name: web-data, status: in-use, size_gib: 20}
changes:
  description: Names of the aspects that changed, or would change in check mode, in that order.
  returned: success
  type: list
  elements: str
  sample: [created, attachments]
reasons:
  description: Each reason why the wish cannot be granted.
  returned: failure
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cloud_session import SESSION_ARGUMENTS, WAIT_ARGUMENTS, run
from ansible.module_utils.cloud_volume_state import bring_about

ARGUMENTS: dict[str, dict[str, Any]] = {
    **SESSION_ARGUMENTS,
    **WAIT_ARGUMENTS,
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent", "attached", "detached", "extended"], "default": "present"},
    "size_gib": {"type": "int"},
    "image": {"type": "str"},
    "snapshot": {"type": "str"},
    "source_volume": {"type": "str"},
    "volume_type": {"type": "str"},
    "availability_zone": {"type": "str"},
    "description": {"type": "str"},
    "metadata": {"type": "dict"},
    "bootable": {"type": "bool"},
    "instance": {"type": "str"},
    "device": {"type": "str"},
    "detach": {"type": "bool", "default": False},
}


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[("image", "snapshot", "source_volume")],
        required_if=[("state", "attached", ["instance"]), ("state", "extended", ["size_gib"])],
    )
    run(module, bring_about)


if __name__ == "__main__":
    main()
