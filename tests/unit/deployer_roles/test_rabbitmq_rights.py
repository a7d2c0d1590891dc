"""What the bus's users are given is given once, and a host has rights to its own alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from types import ModuleType

import pytest

from plugins.module_utils import bus_rights


@pytest.fixture
def rabbitmq_rights(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/rabbitmq_rights.py")


def imported(present: dict, lacking: dict) -> dict:  # type: ignore[type-arg]
    """What RabbitMQ exports after it has imported."""
    return {kind: [*present.get(kind, []), *lacking.get(kind, [])] for kind in {*present, *lacking}}


def test_everything_is_given_once(rabbitmq_rights: ModuleType) -> None:
    wanted = bus_rights.definitions(["cmp1", "cmp2"], "secret")
    lacking = rabbitmq_rights.missing({"users": [{"name": "guest", "password_hash": "AAAA"}]}, wanted)
    assert {kind: len(entries) for kind, entries in lacking.items()} == {"vhosts": 1, "users": 3, "permissions": 3, "topic_permissions": 2}
    assert "password" not in lacking["users"][0]
    assert rabbitmq_rights.missing(imported({}, lacking), wanted) == {}


def test_a_new_host_touches_nothing_else(rabbitmq_rights: ModuleType) -> None:
    present = imported({}, rabbitmq_rights.missing({}, bus_rights.definitions(["cmp1"], "secret")))
    lacking = rabbitmq_rights.missing(present, bus_rights.definitions(["cmp1", "cmp2"], "secret"))
    assert [entry["name"] for entry in lacking["users"]] == ["agent-cmp2"]
    assert "vhosts" not in lacking and len(lacking["permissions"]) == 1


def test_another_secret_changes_every_password(rabbitmq_rights: ModuleType) -> None:
    present = imported({}, rabbitmq_rights.missing({}, bus_rights.definitions(["cmp1"], "secret")))
    assert len(rabbitmq_rights.missing(present, bus_rights.definitions(["cmp1"], "another"))["users"]) == 2


def test_users_of_hosts_that_left_go_and_the_operators_stay(rabbitmq_rights: ModuleType) -> None:
    present = {"users": [{"name": name} for name in ("guest", "agent-cmp1", "agent-gone", "prometheus", "control")]}
    assert rabbitmq_rights.superfluous(present, bus_rights.definitions(["cmp1"], "secret")) == ["agent-gone", "guest"]


def test_a_password_is_the_hash_that_templates_compute() -> None:
    assert bus_rights.password("agent-cmp1", "s") == sha256(b"agent-cmp1:s").hexdigest()
    assert bus_rights.fits("x", bus_rights.sealed("x"))
    assert not bus_rights.fits("y", bus_rights.sealed("x"))


@pytest.mark.parametrize(
    ("name", "is_own"),
    [
        ("compute.agent.cmp1", True),
        ("reply.agent-cmp1.0123-ab", True),
        ("compute.agent.cmp10", False),
        ("compute.agent.cmp1.x", False),
        ("compute.control", False),
        ("reply.agent-cmp10.0123", False),
        ("reply.control.0123", False),
        ("compute.agent.cmp1|x", False),
    ],
)
def test_a_host_owns_what_bears_its_whole_name(name: str, is_own: bool) -> None:
    rights = bus_rights.permissions("agent-cmp1")
    assert [bool(re.search(rights[act], name)) for act in ("configure", "write", "read")] == [is_own] * 3


def test_a_name_is_no_pattern() -> None:
    assert not re.search(bus_rights.permissions("agent-a.b")["read"], "compute.agent.axb")
