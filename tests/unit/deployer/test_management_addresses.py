"""Addresses come from facts, else from how Ansible reaches the host, in an order of their own."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType


def test_every_host_has_an_address_whatever_is_known_of_it(load: Callable[[str], ModuleType]) -> None:
    filters = load("plugins/filter/management_addresses.py").FilterModule().filters()
    hostvars = {
        "b": {"host_networks": {"management": {"address": "10.0.0.2"}}, "ansible_host": "192.0.2.2"},
        "a": {"ansible_host": "192.0.2.1"},
        "c": {},
    }
    found = filters["management_addresses"](["c", "b", "a"], hostvars)
    assert list(found.items()) == [("a", "192.0.2.1"), ("b", "10.0.0.2"), ("c", "c")]
