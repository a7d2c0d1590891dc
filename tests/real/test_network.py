"""The network service on a real switch: DHCP, metadata, NAT, floating IPs and security groups between real network stacks."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = ("ovn-controller", "ovn-northd", "ovs-vswitchd", "busybox", "curl", "ethtool", "unshare")


@pytest.mark.real
@pytest.mark.timeout(600)
def test_guests_are_served(tmp_path: Path) -> None:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (packages ovn-host, ovn-central, openvswitch-switch, busybox, curl, ethtool)")
    inside = f"mkdir -p /run/netns && mount -t tmpfs none /run/netns && exec {sys.executable} -m tests.real.network_host {tmp_path}"
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", inside]
    done = subprocess.run(command, check=False, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-6000:]
    assert "nothing is left" in done.stdout
