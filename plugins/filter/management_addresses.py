"""Filter `management_addresses`: the management address of each of some hosts, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

DOCUMENTATION = r"""
name: management_addresses
short_description: Management address of each host, by name
description:
  - Of hosts whose facts this run has not gathered (it is limited to others), the address by which Ansible reaches them.
options:
  _input: {description: Names of hosts., type: list, required: true}
  hostvars: {description: The variable hostvars., type: dict, required: true}
"""


def management_addresses(hosts: Iterable[str], hostvars: Mapping[str, Any]) -> dict[str, str]:
    """Name → address in the order of names, so that the order of the inventory does not matter."""
    found = {}
    for host in sorted(hosts):
        variables = hostvars[host]
        management = (variables.get("host_networks") or {}).get("management") or {}
        found[host] = str(management.get("address") or variables.get("ansible_host") or host)
    return found


class FilterModule:
    """Ansible's door."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The one filter of this file."""
        return {"management_addresses": management_addresses}
