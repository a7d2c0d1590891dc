"""Where one lab host's files and kernel objects are, and whether it runs."""

from __future__ import annotations

import fcntl
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class LabError(Exception):
    """What went wrong, where, and what to do."""


@dataclass
class Place:
    """Where one host's files and kernel objects are."""

    cache: Path
    lab: str
    name: str

    @property
    def machine(self) -> str:
        return f"lab-{self.lab}-{self.name}"

    @property
    def directory(self) -> Path:
        return self.cache / "labs" / self.lab / self.name

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def disk(self) -> Path:
        """Where the disk image is mounted, if there is one."""
        return self.directory / "disk"

    @property
    def disk_image(self) -> Path:
        return self.directory / "disk.img"

    @property
    def layers(self) -> Path:
        """What the host writes: on its own disk image, or else on the machine's disk."""
        return self.disk if self.disk_image.exists() else self.directory

    @property
    def archives(self) -> Path:
        return self.cache / "apt" / "hosts" / self.machine


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def is_running(place: Place) -> bool:
    """The runner holds the lock as long as it lives."""
    try:
        with (place.directory / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def under_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def wait_until(condition: Callable[[], object], timeout_seconds: float, complaint: str) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(complaint)
        time.sleep(0.1)
