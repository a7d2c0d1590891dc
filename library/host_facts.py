#!/usr/bin/python
"""Module `host_facts`: the few facts about a host that the cloud's roles decide by, in one cheap look."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_facts
short_description: Tells which networks a host is on and what its kernel can do
description:
  - Sets the facts RV(ansible_facts.host_networks) and RV(ansible_facts.host_kernel). Changes nothing.
options:
  networks:
    description: The networks of the cloud by name, each with its C(cidr).
    type: dict
    required: true
author:
  - The maintainers
attributes:
  check_mode:
    description: Changes nothing in either mode.
    support: full
"""

EXAMPLES = r"""
- name: Learn what the host is
  host_facts:
    networks: {management: {cidr: 10.83.0.0/24}}
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: always
  type: dict
  contains:
    host_networks:
      description: By network name C(interface), C(address), C(prefix) (its length) and C(mtu); a network the host is not on is absent.
      type: dict
      returned: always
    host_kernel:
      description: C(container) (the kernel belongs to another machine), C(kvm), C(openvswitch) (the kernel datapath can be had).
      type: dict
      returned: always
"""

import json

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.host_shape import shape_of

ARGUMENTS = {"networks": {"type": "dict", "required": True}}


def main() -> None:
    """Look and tell."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    _, links, _ = module.run_command(["ip", "-json", "address"], check_rc=True)
    module.exit_json(changed=False, ansible_facts=shape_of(module.params["networks"], json.loads(links)))


if __name__ == "__main__":
    main()
