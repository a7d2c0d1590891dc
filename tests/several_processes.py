"""A cloud of many processes on loopback: APIs, workers and agents, over a real MariaDB, RabbitMQ and OVN's databases; drivers are fakes.

Each process can be killed as kill -9 does, and started again.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import yaml
from cryptography.fernet import Fernet

from tests.mariadb import MariaDB
from tests.rabbitmq import RabbitMQ

PASSWORD = "admin-password"
SCHEMAS = {"nb": "/usr/share/ovn/ovn-nb.ovsschema", "sb": "/usr/share/ovn/ovn-sb.ovsschema"}


class SeveralProcesses:
    """``start()``; processes by name: api1, api2, worker1, worker2, and agent-<host> for the hosts ctl, cmp1 and cmp2."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.mariadb = MariaDB(_made(directory / "mariadb"))
        self.rabbitmq = RabbitMQ(_made(directory / "rabbitmq"))
        self.ovsdb: subprocess.Popen[bytes] | None = None
        self.ports = {"api1": _free_port(), "api2": _free_port()}
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}
        self.words: dict[str, list[str]] = {
            "api1": ["api"],
            "api2": ["api"],
            "worker1": ["worker"],
            "worker2": ["worker"],
            "agent-ctl": ["agent", "image", "volume"],
            "agent-cmp1": ["agent", "network", "compute"],
            "agent-cmp2": ["agent", "network", "compute"],
        }
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        #: what each process said, when
        self.said: list[tuple[float, str, str]] = []

    def start(self) -> None:
        """Everything; the agents before the control plane, for they must not mind."""
        self.mariadb.start()
        self.rabbitmq.start()
        self._start_ovsdb()
        for name in self.words:
            self._configure(name)
        self.run("worker1", "db", "upgrade")
        self.run("worker1", "bootstrap", given=PASSWORD)
        for name in sorted(self.words, key=lambda name: not name.startswith("agent")):
            self.spawn(name)
        for name in self.ports:
            self.await_api(name)

    def stop(self) -> None:
        for child in self.children.values():
            child.terminate()
        for name, child in self.children.items():
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                self.kill(name)
        if self.ovsdb is not None:
            self.ovsdb.terminate()
            self.ovsdb.wait(10)
        self.rabbitmq.stop()
        self.mariadb.stop()

    def spawn(self, name: str) -> None:
        child = subprocess.Popen([*self._cloudd(name), *self.words[name]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.children[name] = child
        threading.Thread(target=self._read, args=(name, child), daemon=True).start()

    def _read(self, name: str, child: subprocess.Popen[bytes]) -> None:
        """Keep what a process says, with the time: all of them by one clock."""
        assert child.stdout is not None
        with self.log(name).open("a") as log:
            for line in child.stdout:
                text = line.decode(errors="replace").rstrip("\n")
                self.said.append((time.monotonic(), name, text))
                log.write(f"{time.monotonic():.3f} {text}\n")
                log.flush()

    def kill(self, name: str) -> None:
        """kill -9."""
        os.kill(self.children[name].pid, signal.SIGKILL)
        self.children[name].wait(10)
        self.said.append((time.monotonic(), name, "KILLED"))

    def run(self, name: str, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Another command with that process's settings."""
        done = subprocess.run([*self._cloudd(name), *words], input=given, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), f"cloudd {' '.join(words)}: {done.stderr[-2000:]}"
        return done

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def await_api(self, name: str, seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.children[name].poll() is None, f"{name} ended: {self.log(name).read_text()[-3000:]}"
            try:
                if httpx.get(f"{self.urls[name]}/healthcheck", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        raise RuntimeError(f"{name} does not answer: {self.log(name).read_text()[-3000:]}")

    def token(self) -> str:
        """The admin's, for the project admin."""
        domain = {"id": "default"}
        identity = {"methods": ["password"], "password": {"user": {"name": "admin", "domain": domain, "password": PASSWORD}}}
        body = {"auth": {"identity": identity, "scope": {"project": {"name": "admin", "domain": domain}}}}
        answer = httpx.post(f"{self.urls['api1']}/identity/v3/auth/tokens", json=body, timeout=30)
        answer.raise_for_status()
        return answer.headers["x-subject-token"]

    def _cloudd(self, name: str) -> list[str]:
        return [sys.executable, "-m", "cloudd.cli", "--config", str(self.directory / f"{name}.yaml")]

    def _configure(self, name: str) -> None:
        """An agent's settings know no database, no key of the control plane, and one user of the bus."""
        if not hasattr(self, "_shared"):
            self._shared = {
                "database": {"url": self.mariadb.new_database()},
                "identity": {"token_keys": [Fernet.generate_key().decode()], "argon2_memory_kib": 8, "argon2_passes": 1},
            }
        files = _made(self.directory / "files")
        host = name.removeprefix("agent-") if name.startswith("agent-") else "ctl"
        ovsdb = f"unix:{self.directory}/ovsdb.sock"
        settings: dict[str, dict[str, Any]] = {
            "host": {"name": host, "management_address": "127.0.0.1"},
            "log": {"level": "debug"},
            "image": {"directory": str(files / "images"), "heartbeat_interval_seconds": 1},
            "network": {"driver": "fake"},
            "volume": {"directory": str(files / "volumes"), "heartbeat_interval_seconds": 1},
            "compute": {"driver": "fake", "instances_directory": str(files / f"instances-{host}"), "heartbeat_seconds": 2},
        }
        if name.startswith("agent-"):
            settings["bus"] = {"url": self.rabbitmq.add_agent(host, f"password-of-{host}")}
        else:
            settings |= self._shared
            settings["bus"] = {"url": self.rabbitmq.url()}
            settings["network"] = {"ovn_northbound": ovsdb, "ovn_southbound": ovsdb}
            settings["api"] = {"public_url": self.urls["api1"], "port": self.ports.get(name, 1), "drain_seconds": 0.5}
        (self.directory / f"{name}.yaml").write_text(yaml.safe_dump(settings))

    def _start_ovsdb(self) -> None:
        databases = []
        for name, schema in SCHEMAS.items():
            databases.append(str(self.directory / f"{name}.db"))
            subprocess.run(["ovsdb-tool", "create", databases[-1], schema], check=True)
        socket_path = self.directory / "ovsdb.sock"
        self.ovsdb = subprocess.Popen(
            [
                "ovsdb-server",
                f"--remote=punix:{socket_path}",
                f"--unixctl={self.directory}/ovsdb.ctl",
                "--no-chdir",
                "-vconsole:off",
                *databases,
            ],
            env={"OVS_RUNDIR": str(self.directory), "PATH": "/usr/bin:/usr/sbin:/bin:/sbin"},
        )
        while not socket_path.exists():
            assert self.ovsdb.poll() is None, "ovsdb-server ended at once"
            time.sleep(0.05)


def has_engines() -> bool:
    """Whether the machine has what this needs."""
    return Path(SCHEMAS["nb"]).exists() and shutil.which("ovsdb-server") is not None


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
