"""Control hosts join and leave a living cloud: one grows to three, a dead one is replaced, a living one goes, at last all are bare."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.real.control_plane import BARE, REMAINS, ControlPlane, deployed

pytestmark = [pytest.mark.real, pytest.mark.membership, pytest.mark.timeout(1800)]

NAME, INDEX = "membership", 92


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A lab of its own, and a cloud on one controller and one compute host of it."""
    with deployed(ControlPlane(tmp_path_factory.mktemp("inventory"), NAME, INDEX, "ctl1", "ctl2", "ctl3", "ctl4"), "ctl1") as living:
        yield living


def test_one_controller(cloud: ControlPlane) -> None:
    cloud.settle()
    cloud.assert_well("ctl1")


def test_one_grows_to_three(cloud: ControlPlane) -> None:
    # In any order of the inventory.
    cloud.name_hosts("ctl3", "ctl1", "ctl2")
    cloud.must("add_host", "-e", "host=ctl3,ctl2")
    cloud.assert_well("ctl1", "ctl2", "ctl3")
    cloud.settle()


def test_none_may_leave_while_another_is_away(cloud: ControlPlane) -> None:
    cloud.power_off("ctl1")
    refused = cloud.run("remove_host", "-e", "host=ctl3")
    assert refused.returncode
    assert "remove_host.quorum" in refused.stdout + refused.stderr
    refused = cloud.run("remove_host", "-e", "host=nobody")
    assert "remove_host.unnamed" in refused.stdout + refused.stderr


def test_a_dead_one_is_replaced(cloud: ControlPlane) -> None:
    cloud.must("remove_host", "-e", "host=ctl1", "-e", "dead=true")
    cloud.must("remove_host", "-e", "host=ctl1", "-e", "dead=true")
    cloud.name_hosts("ctl2", "ctl3", "ctl4")
    cloud.must("add_host", "-e", "host=ctl4")
    cloud.assert_well("ctl2", "ctl3", "ctl4")
    cloud.settle()


def test_a_living_one_leaves(cloud: ControlPlane) -> None:
    cloud.must("remove_host", "-e", "host=ctl2")
    cloud.must("remove_host", "-e", "host=ctl2")
    assert cloud.on("ctl2", command=REMAINS) == [BARE]
    cloud.name_hosts("ctl4", "ctl3")
    assert "inventory.control_even" in cloud.must("reconfigure")
    cloud.assert_well("ctl3", "ctl4")
    cloud.settle()


def test_destroy_leaves_bare_hosts(cloud: ControlPlane) -> None:
    cloud.must("destroy", "--yes-i-really-really-mean-it")
    assert cloud.on("ctl3", "ctl4", "cmp1", command=REMAINS) == [BARE] * 3
    assert not (cloud.inventory / "passwords.yml").exists()
