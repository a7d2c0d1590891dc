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

import ipaddress
import json
import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {"networks": {"type": "dict", "required": True}}


def networks_of(wanted: dict, links: list) -> dict:
    """Where each network's CIDR holds an address of these links (as `ip -json address` tells them)."""
    found = {}
    for name, network in wanted.items():
        cidr = ipaddress.ip_network(network["cidr"])
        for link in links:
            for address in link.get("addr_info", []):
                # Secondary addresses are virtual ones that may move to another host.
                if ipaddress.ip_address(address["local"]) in cidr and not address.get("secondary") and address["prefixlen"] < 32:
                    found.setdefault(
                        name,
                        {"interface": link["ifname"], "address": address["local"], "prefix": address["prefixlen"], "mtu": link["mtu"]},
                    )
    return found


def kernel_of(root: Path, release: str) -> dict:
    """What the kernel offers, judged by the files under `root`; nothing is loaded."""
    container = (root / "run/systemd/container").exists()
    modules = root / "lib/modules" / release
    listed = any(
        (modules / name).exists() and "/openvswitch.ko" in (modules / name).read_text() for name in ("modules.dep", "modules.builtin")
    )
    return {
        "container": container,
        "kvm": (root / "dev/kvm").exists(),
        # A container cannot load modules, but may use what its machine has loaded.
        "openvswitch": (root / "sys/module/openvswitch").exists() or (listed and not container),
    }


def main() -> None:
    """Look and tell."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    _, links, _ = module.run_command(["ip", "-json", "address"], check_rc=True)
    facts = {
        "host_networks": networks_of(module.params["networks"], json.loads(links)),
        "host_kernel": kernel_of(Path("/"), os.uname().release),
    }
    module.exit_json(changed=False, ansible_facts=facts)


if __name__ == "__main__":
    main()
