"""Microversions: which version of a service's API one request speaks, as OpenStack's clients negotiate it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from cloudd.kit.errors import BadRequest, Condition

Version = tuple[int, int]


class VersionNotSupported(Condition):
    code = "kit.version_not_supported"
    status = 406
    message = "Version {version} is not supported by the API. Minimum is {minimum} and maximum is {maximum}."


class InvalidVersion(BadRequest):
    code = "kit.invalid_version"
    message = "API Version String {version!r} is of invalid format. Must be of format MajorNum.MinorNum."


class Microversions(msgspec.Struct, frozen=True):
    """What one service serves. ``service`` is its name in the OpenStack-API-Version header."""

    service: str
    minimum: Version
    maximum: Version
    #: the header of the time before OpenStack-API-Version, where a service has one
    legacy_header: str | None = None

    def negotiate(self, headers: Mapping[str, str]) -> Version:
        """The version asked for, the minimum when none is. 406 for one out of range, 400 for a malformed one."""
        text = self._asked(headers)
        if text is None:
            return self.minimum
        if text == "latest":
            return self.maximum
        if not re.fullmatch(r"[1-9]\d*\.(0|[1-9]\d*)", text):
            raise InvalidVersion(version=text)
        major, _, minor = text.partition(".")
        version = (int(major), int(minor))
        if not self.minimum <= version <= self.maximum:
            raise VersionNotSupported(version=text, minimum=written(self.minimum), maximum=written(self.maximum))
        return version

    def _asked(self, headers: Mapping[str, str]) -> str | None:
        for entry in headers.get("openstack-api-version", "").split(","):
            name, _, version = entry.strip().partition(" ")
            if name == self.service and version:
                return version.strip().lower()
        if self.legacy_header:
            legacy = headers.get(self.legacy_header.lower())
            return legacy.strip().lower() if legacy else None
        return None

    def answer_headers(self, version: Version) -> dict[str, str]:
        """What every answer carries: the version it was made for."""
        headers = {"OpenStack-API-Version": f"{self.service} {written(version)}", "Vary": "OpenStack-API-Version"}
        if self.legacy_header:
            headers[self.legacy_header] = written(version)
            headers["Vary"] += f", {self.legacy_header}"
        return headers


def written(version: Version) -> str:
    """(2, 1) as "2.1"."""
    return f"{version[0]}.{version[1]}"
