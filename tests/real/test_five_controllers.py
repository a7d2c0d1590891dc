"""Five controllers, in no order, are one cloud from the same playbooks, and it lives on while two of them are off."""

from __future__ import annotations

import time
from collections.abc import Iterator

import keystoneauth1.exceptions
import openstack
import pytest

from tests.real.control_plane import BARE, COMPUTES, CONTROLLERS, REMAINS, ControlPlane, deployed

pytestmark = [pytest.mark.real, pytest.mark.membership, pytest.mark.timeout(1800)]

NAME, INDEX = "five", 93
ORDER = ("ctl4", "ctl2", "ctl5", "ctl1", "ctl3")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A lab of its own, and a cloud on its five controllers and one compute host."""
    with deployed(ControlPlane(tmp_path_factory.mktemp("inventory"), NAME, INDEX, *ORDER), *ORDER) as living:
        yield living


def test_they_are_one_cloud(cloud: ControlPlane) -> None:
    cloud.assert_well(*CONTROLLERS)
    cloud.settle()


def test_another_order_changes_nothing(cloud: ControlPlane) -> None:
    cloud.name_hosts(*CONTROLLERS)
    cloud.settle()


def test_two_may_be_off(cloud: ControlPlane) -> None:
    cloud.power_off(*ORDER[:2])
    deadline = time.monotonic() + 60
    while True:
        try:
            cloud.assert_answers()
            break
        # The address moves, and connections through the hosts that are off break.
        except (openstack.exceptions.SDKException, keystoneauth1.exceptions.ClientException):
            assert time.monotonic() < deadline
    cloud.power_on(*ORDER[:2])
    cloud.assert_well(*CONTROLLERS)


def test_destroy_leaves_bare_hosts(cloud: ControlPlane) -> None:
    cloud.must("destroy", "--yes-i-really-really-mean-it")
    assert cloud.on(*CONTROLLERS, *COMPUTES, command=REMAINS) == [BARE] * (len(CONTROLLERS) + len(COMPUTES))
