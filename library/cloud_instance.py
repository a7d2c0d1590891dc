#!/usr/bin/python
"""Makes an instance of an OpenStack cloud what a task says: present, absent, started, stopped, rebooted, or on another host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_instance
short_description: Make, change, start, stop, reboot, move and delete instances of a cloud
description:
  - Makes an instance what the task says. What the task names becomes exactly so; what it leaves out stays as it is.
  - An aspect that cannot be changed on a living instance, such as its image, is refused with the reason, and nothing is changed.
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
    support: partial
    description:
      - A second run changes nothing, except that O(state=rebooted) reboots each time.
      - A move without O(host) and O(away_from) moves each time, too.
options:
  name:
    description:
      - Name or id of the instance.
    type: str
    required: true
  state:
    description:
      - V(present) makes it if it is not there, and leaves it on or off as it is.
      - V(started) and V(stopped) make it if need be, and switch it on or off.
      - V(rebooted) reboots it, or starts it if it is off. It must be there.
      - V(migrated) shuts it down, carries it to another host, starts it there if it ran, and confirms.
      - V(live_migrated) moves it to another host while it runs.
      - V(evacuated) makes it anew on another host, after its own has died. Disks that are no volumes are lost.
      - These three need an administrator's credentials, find instances of any project, and heed no option about the instance itself.
    type: str
    choices: [present, absent, started, stopped, rebooted, migrated, live_migrated, evacuated]
    default: present
  host:
    description:
      - The host to move it to. Without it, the cloud chooses. On it already, the instance stays.
    type: str
  away_from:
    description:
      - The host that it shall leave. On another one, the instance stays.
    type: str
  flavor:
    description:
      - Name or id of the flavor. Needed to make the instance; changed later only with O(allow_resize).
    type: str
  allow_resize:
    description:
      - Permits a change of O(flavor), which shuts the instance down for a while.
    type: bool
    default: false
  image:
    description:
      - Name or id of the image to make it from. Cannot be changed later.
    type: str
  boot_from_volume:
    description:
      - Whether its root disk is a new volume made from O(image).
    type: bool
    default: false
  boot_volume_size_gib:
    description:
      - Size of that volume in GiB; the flavor's disk size by default.
    type: int
  keep_boot_volume:
    description:
      - Whether that volume outlives the instance.
    type: bool
    default: false
  boot_volume:
    description:
      - Name or id of an existing volume to boot from. It outlives the instance.
    type: str
  networks:
    description:
      - Its network interfaces, exactly. Without it, a new instance gets the project's only network.
    type: list
    elements: dict
    suboptions:
      network:
        description:
          - Name or id of a network, on which a port is made.
        type: str
      fixed_ip:
        description:
          - The address to have on O(networks[].network).
        type: str
      port:
        description:
          - Name or id of an existing port, instead of a network.
        type: str
  security_groups:
    description:
      - Names or ids of the security groups of all its ports, exactly.
    type: list
    elements: str
  key_name:
    description:
      - Name of the keypair that may log in. Cannot be changed later.
    type: str
  user_data:
    description:
      - Text for cloud-init. Used when the instance is made and not compared afterwards, because the cloud does not show it.
    type: str
  config_drive:
    description:
      - Whether it gets its metadata on a drive as well. Cannot be changed later.
    type: bool
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
  tags:
    description:
      - Its tags, exactly.
    type: list
    elements: str
  volumes:
    description:
      - Names or ids of the volumes attached to it, exactly. The volume it boots from is not among them.
    type: list
    elements: str
  auto_floating_ip:
    description:
      - Whether to give it a new floating IP if it has none. V(false) takes none away.
    type: bool
    default: false
  floating_network:
    description:
      - Name or id of the external network for O(auto_floating_ip), if the cloud has several.
    type: str
  floating_ip:
    description:
      - A floating IP of the project to give to it.
    type: str
  release_floating_ips:
    description:
      - Whether O(state=absent) gives its floating IPs back to the cloud, too.
    type: bool
    default: false
  reboot_type:
    description:
      - How to reboot. V(soft) asks the guest, V(hard) does not.
    type: str
    choices: [soft, hard]
    default: soft
extends_documentation_fragment:
  - cloud_session
  - cloud_session.wait
seealso:
  - module: cloud_instance_info
  - module: cloud_volume
"""

EXAMPLES = r"""
- name: Run a web server that is reachable from outside
  cloud_instance:
    cloud: quickstart
    name: web
    state: started
    flavor: small
    image: debian
    key_name: operator
    networks:
      - network: private
    security_groups: [default, web]
    metadata: {role: web}
    tags: [production]
    auto_floating_ip: true

- name: Stop it
  cloud_instance:
    cloud: quickstart
    name: web
    state: stopped

- name: Move it off a host that is to be repaired, while it runs
  cloud_instance:
    cloud: quickstart
    name: web
    state: live_migrated
    away_from: compute1

- name: Delete it and give its floating IP back
  cloud_instance:
    cloud: quickstart
    name: web
    state: absent
    release_floating_ips: true
"""

RETURN = r"""
instance:
  description: The instance as it is afterwards, in the shape of M(cloud_instance_info); null if there is none.
  returned: success
  type: dict
  sample: {name: web, status: ACTIVE, fixed_ip: 10.0.0.7, floating_ip: 203.0.113.20}
changes:
  description: Names of the aspects that changed, or would change in check mode, in that order.
  returned: success
  type: list
  elements: str
  sample: [metadata, status]
reasons:
  description: Each reason why the wish cannot be granted.
  returned: failure
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cloud_instance_state import bring_about
from ansible.module_utils.cloud_session import SESSION_ARGUMENTS, WAIT_ARGUMENTS, run

STATES = ["present", "absent", "started", "stopped", "rebooted", "migrated", "live_migrated", "evacuated"]
ARGUMENTS: dict[str, dict[str, Any]] = {
    **SESSION_ARGUMENTS,
    **WAIT_ARGUMENTS,
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": STATES, "default": "present"},
    "host": {"type": "str"},
    "away_from": {"type": "str"},
    "flavor": {"type": "str"},
    "allow_resize": {"type": "bool", "default": False},
    "image": {"type": "str"},
    "boot_from_volume": {"type": "bool", "default": False},
    "boot_volume_size_gib": {"type": "int"},
    "keep_boot_volume": {"type": "bool", "default": False},
    "boot_volume": {"type": "str"},
    "networks": {
        "type": "list",
        "elements": "dict",
        "options": {"network": {"type": "str"}, "fixed_ip": {"type": "str"}, "port": {"type": "str"}},
        "required_one_of": [("network", "port")],
        "mutually_exclusive": [("network", "port"), ("fixed_ip", "port")],
    },
    "security_groups": {"type": "list", "elements": "str"},
    "key_name": {"type": "str", "no_log": False},
    "user_data": {"type": "str"},
    "config_drive": {"type": "bool"},
    "availability_zone": {"type": "str"},
    "description": {"type": "str"},
    "metadata": {"type": "dict"},
    "tags": {"type": "list", "elements": "str"},
    "volumes": {"type": "list", "elements": "str"},
    "auto_floating_ip": {"type": "bool", "default": False},
    "floating_network": {"type": "str"},
    "floating_ip": {"type": "str"},
    "release_floating_ips": {"type": "bool", "default": False},
    "reboot_type": {"type": "str", "choices": ["soft", "hard"], "default": "soft"},
}


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[
            ("auto_floating_ip", "floating_ip"),
            ("boot_volume", "image"),
            ("boot_volume", "boot_from_volume"),
            ("host", "away_from"),
        ],
    )
    run(module, bring_about)


if __name__ == "__main__":
    main()
