"""The openstack.cloud collection, unchanged, makes and removes a network, a router, a server and a volume."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.quickstart import Quickstart

pytestmark = [pytest.mark.real, pytest.mark.timeout(600), pytest.mark.usefixtures("leak_check")]

PLAYS = Path(__file__).parent / "plays"


def test_makes_and_then_finds_everything_made(quickstart: Quickstart) -> None:
    first = quickstart.playbook(PLAYS / "collection_present.yml")
    assert [task["name"] for task in first if not task["changed"]] == []
    server = quickstart.connection.compute.find_server("realtest-collection-server")
    assert server.status == "ACTIVE"
    assert list(server.addresses) == ["realtest-collection-network"]
    second = quickstart.playbook(PLAYS / "collection_present.yml")
    assert [task["name"] for task in second if task["changed"]] == []


def test_removes_and_then_finds_nothing_left(quickstart: Quickstart) -> None:
    first = quickstart.playbook(PLAYS / "collection_absent.yml")
    assert [task["name"] for task in first if not task["changed"]] == []
    second = quickstart.playbook(PLAYS / "collection_absent.yml")
    assert [task["name"] for task in second if task["changed"]] == []
