"""Microversion negotiation."""

from __future__ import annotations

import pytest

from cloudd.kit.microversion import InvalidVersion, Microversions, VersionNotSupported

COMPUTE = Microversions("compute", (2, 1), (2, 53), "X-OpenStack-Nova-API-Version")


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({}, (2, 1)),
        ({"openstack-api-version": "compute 2.19"}, (2, 19)),
        ({"openstack-api-version": "volume 3.9, compute 2.20"}, (2, 20)),
        ({"openstack-api-version": "volume 3.9"}, (2, 1)),
        ({"x-openstack-nova-api-version": "2.5"}, (2, 5)),
        ({"openstack-api-version": "compute latest"}, (2, 53)),
    ],
)
def test_the_version_asked_for_is_served(headers: dict[str, str], version: tuple[int, int]) -> None:
    assert COMPUTE.negotiate(headers) == version


@pytest.mark.parametrize(
    ("text", "error"),
    [("2.54", VersionNotSupported), ("1.1", VersionNotSupported), ("2", InvalidVersion), ("2.01", InvalidVersion), ("x.y", InvalidVersion)],
)
def test_others_are_refused(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        COMPUTE.negotiate({"openstack-api-version": f"compute {text}"})


def test_answers_name_their_version() -> None:
    assert COMPUTE.answer_headers((2, 9))["X-OpenStack-Nova-API-Version"] == "2.9"
    assert COMPUTE.answer_headers((2, 9))["OpenStack-API-Version"] == "compute 2.9"
