"""The health report: it finds nothing where all is well, and names the unit of a host that is down."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.real.quickstart import INVENTORY, ROOT, Quickstart

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def report() -> tuple[int, dict[str, Any]]:
    """The exit status of `./cloudctl check` and the errors of its report, by check."""
    command = [str(ROOT / "cloudctl"), "check", "-i", str(INVENTORY), "-e", "health_format=json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.stdout.startswith("{"), done.stdout[-1500:] + done.stderr[-1500:]
    checks = json.loads(done.stdout)["checks"]
    errors = {check["name"]: [one for one in check["findings"] if one["level"] == "error"] for check in checks}
    return done.returncode, {name: found for name, found in errors.items() if found}


def test_a_cloud_that_fares_well_has_no_errors(quickstart: Quickstart) -> None:
    assert report() == (0, {})


def test_a_unit_that_is_down_is_named(quickstart: Quickstart) -> None:
    quickstart.on_host("systemctl stop ovn-ovsdb-server-nb")
    try:
        status, errors = report()
    finally:
        quickstart.on_host("systemctl start ovn-ovsdb-server-nb")
    assert status == 1
    assert any("ovn-ovsdb-server-nb" in finding["subject"] for finding in errors["host.units"]), errors
