"""A database opens once, over TLS."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

SSL = ["/k", "/c", "/a"]


@pytest.fixture
def ovn_databases(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/ovn_databases.py")


def test_a_closed_database_gets_certificate_and_port(ovn_databases: ModuleType) -> None:
    commands = ovn_databases.plan("ovn-nbctl", "pssl:6641", SSL, "", [])
    assert commands == [["ovn-nbctl", "set-ssl", *SSL], ["ovn-nbctl", "set-connection", "pssl:6641"]]


def test_an_open_one_is_left_alone(ovn_databases: ModuleType) -> None:
    told = ovn_databases.ssl_paths("Private key: /k\nCertificate: /c\nCA Certificate: /a\nBootstrap: false\n")
    assert told == SSL
    assert ovn_databases.plan("ovn-nbctl", "pssl:6641", SSL, "pssl:6641\n", told) == []
    assert ovn_databases.plan("ovn-sbctl", "pssl:6642", SSL, 'read-write role="" pssl:6642\n', told) == []


def test_an_unencrypted_door_is_shut(ovn_databases: ModuleType) -> None:
    assert ovn_databases.plan("ovn-sbctl", "pssl:6642", SSL, "pssl:6642\nptcp:6642\n", SSL) == [
        ["ovn-sbctl", "set-connection", "pssl:6642"]
    ]
