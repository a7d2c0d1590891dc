"""A running guest, reached by ssh as its user would."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.real.quickstart import SSH_OPTIONS


class Guest:
    """An instance behind a floating IP; `run` runs a shell command in it."""

    def __init__(self, address: str, key: Path, user: str = "root") -> None:
        self.address = address
        self._ssh = ["ssh", *SSH_OPTIONS, "-o", "ConnectTimeout=5", "-o", "IdentitiesOnly=yes", "-i", str(key), f"{user}@{address}"]

    def attempt(self, command: str, timeout_seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command and return how it ended, whatever that was."""
        try:
            return subprocess.run([*self._ssh, command], capture_output=True, text=True, check=False, timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(self._ssh, 255, "", f"no end within {timeout_seconds:g} s")

    def run(self, command: str, timeout_seconds: float = 60) -> str:
        """Run a command that must succeed and return what it prints."""
        done = self.attempt(command, timeout_seconds)
        assert done.returncode == 0, f"in {self.address}: {command}: exit {done.returncode}: {done.stderr.strip()[-500:]}"
        return done.stdout.strip()

    def wait(self, timeout_seconds: float = 120) -> Guest:
        """Wait until the guest lets its user in."""
        deadline = time.monotonic() + timeout_seconds
        last = ""
        while time.monotonic() < deadline:
            done = self.attempt("true", timeout_seconds=15)
            if done.returncode == 0:
                return self
            last = done.stderr.strip()
            time.sleep(1)
        raise AssertionError(f"ssh to {self.address} did not answer within {timeout_seconds:g} s: {last}")

    def reaches(self, address: str) -> bool:
        """Whether a ping from the guest to the address is answered."""
        return self.attempt(f"ping -c 3 -W 2 {address}", timeout_seconds=30).returncode == 0

    def disk_of(self, volume_id: str, timeout_seconds: float = 30) -> str:
        """Wait for the disk whose serial is the start of the volume's id; returns its device path."""
        find = (
            f'for disk in /sys/block/*; do [ "$(cat $disk/serial 2>/dev/null)" = {volume_id[:20]} ] && echo /dev/${{disk##*/}}; done; true'
        )
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            device = self.run(find)
            if device:
                return device
            time.sleep(0.5)
        raise AssertionError(
            f"the guest {self.address} sees no disk of volume {volume_id}: {self.run('ls /sys/block; cat /proc/partitions')}"
        )

    def has_disk_of(self, volume_id: str) -> bool:
        """Whether the guest sees the volume now."""
        return volume_id[:20] in self.run("cat /sys/block/*/serial 2>/dev/null; true").split()
