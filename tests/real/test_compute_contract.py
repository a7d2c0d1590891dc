"""The compute drivers' contract on a real hypervisor: the libvirtd of a compute host, with the cloud's own servers beside."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real.quickstart import BIN, ROOT, Quickstart

HOST_DIRECTORY = "/var/tmp/realtest-contract"
# What the tests import and a host does not have.
PACKAGES = ("pytest", "pytest-asyncio", "pytest-timeout", "httpx")


@pytest.mark.real
def test_qemu_keeps_the_contract(quickstart: Quickstart, tmp_path: Path) -> None:
    host = quickstart.hosts[next(iter(quickstart.connection.compute.hypervisors())).name]
    packages = tmp_path / "packages"
    install = [str(BIN / "uv"), "pip", "install", "--quiet", "--python", sys.executable, "--constraint", str(ROOT / "constraints.txt")]
    subprocess.run([*install, "--target", str(packages), *PACKAGES], check=True)
    try:
        quickstart.to(host, HOST_DIRECTORY, packages, ROOT / "cloudd", ROOT / "tests", ROOT / "pyproject.toml")
        run = "/opt/cloudd/current/bin/python -m pytest -q -rs -p no:cacheprovider -k hypervisor tests/contract/compute"
        environment = "PYTHONPATH=packages:. PYTHONDONTWRITEBYTECODE=1 LIBVIRT_URI=qemu:///system"
        said = quickstart.at(host, f"cd {HOST_DIRECTORY} && {environment} {run} 2>&1 || true", timeout_seconds=600)
    finally:
        quickstart.at(host, f"rm -rf {HOST_DIRECTORY}")
    # Nothing fails, nothing is passed over.
    assert re.search(r"^\d+ passed(, \d+ deselected)? in ", said, re.MULTILINE), said[-6000:]
