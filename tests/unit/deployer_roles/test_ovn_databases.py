"""A database opens once, over TLS."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture
def ovn_databases(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/ovn_databases.py")


def test_a_closed_database_gets_its_port(ovn_databases: ModuleType) -> None:
    assert ovn_databases.plan(["ovn-nbctl"], "pssl:6641", "") == [["ovn-nbctl", "set-connection", "pssl:6641"]]


def test_an_open_one_is_left_alone(ovn_databases: ModuleType) -> None:
    assert ovn_databases.plan(["ovn-nbctl"], "pssl:6641", "pssl:6641\n") == []
    assert ovn_databases.plan(["ovn-sbctl"], "pssl:6642", 'read-write role="" pssl:6642\n') == []


def test_an_unencrypted_door_is_shut(ovn_databases: ModuleType) -> None:
    assert ovn_databases.plan(["ovn-sbctl"], "pssl:6642", "pssl:6642\nptcp:6642\n") == [["ovn-sbctl", "set-connection", "pssl:6642"]]
