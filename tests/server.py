"""A whole cloudd process on loopback, with SQLite and fake drivers: for what needs real HTTP, and a process to kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import yaml
from cryptography.fernet import Fernet

PASSWORD = "admin-password"


class CloudProcess:
    """``start()``, ``kill()`` (as kill -9 does), ``start()`` again, ``stop()``; its files live in ``directory``."""

    def __init__(self, directory: Path, **sections: dict[str, Any]) -> None:
        self.directory = directory
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = directory / "cloudd.yaml"
        self.log = directory / "cloudd.log"
        self.child: subprocess.Popen[bytes] | None = None
        settings: dict[str, dict[str, Any]] = {
            "database": {"url": f"sqlite:///{directory}/cloudd.db"},
            "api": {"public_url": self.url, "listen_address": "127.0.0.1", "port": self.port},
            "host": {"name": "testhost"},
            "identity": {"token_keys": [Fernet.generate_key().decode()]},
            "image": {"directory": str(directory / "images")},
            "network": {"driver": "fake"},
            "volume": {"driver": "fake", "directory": str(directory / "volumes")},
            "compute": {"driver": "fake", "instances_directory": str(directory / "instances")},
        }
        for name, values in sections.items():
            settings.setdefault(name, {}).update(values)
        self.config.write_text(yaml.safe_dump(settings))

    def command(self, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run another cloudd command with the same settings."""
        return subprocess.run([*self._cloudd, *words], input=given, capture_output=True, text=True, check=True)

    @property
    def _cloudd(self) -> list[str]:
        return [sys.executable, "-m", "cloudd.cli", "--config", str(self.config)]

    def prepare(self) -> None:
        """Schema and first records."""
        self.command("db", "upgrade")
        self.command("bootstrap", given=PASSWORD)

    def start(self) -> None:
        """Start and wait until the API answers."""
        with self.log.open("ab") as log:
            self.child = subprocess.Popen([*self._cloudd, "all"], stdout=log, stderr=log)
        for _ in range(200):
            if self.child.poll() is not None:
                raise RuntimeError(f"cloudd ended at once: {self.log.read_text()[-3000:]}")
            try:
                httpx.get(f"{self.url}/identity/v3", timeout=1)
            except httpx.HTTPError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError("cloudd does not answer")

    def kill(self) -> None:
        """kill -9."""
        assert self.child is not None
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait(10)

    def stop(self) -> None:
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def token(self, user: str = "admin", password: str = PASSWORD, project: str = "admin") -> str:
        """A project-scoped token."""
        domain = {"id": "default"}
        identity = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}
        body = {"auth": {"identity": identity, "scope": {"project": {"name": project, "domain": domain}}}}
        answer = httpx.post(f"{self.url}/identity/v3/auth/tokens", json=body, timeout=30)
        answer.raise_for_status()
        return answer.headers["x-subject-token"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
