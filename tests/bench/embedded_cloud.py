"""A private embedded cloud: one cloudd process on loopback with SQLite and the fake drivers; needs no root and leaves nothing behind."""

from __future__ import annotations

import asyncio
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography.fernet import Fernet

from tests.bench.api_client import ApiClient

CLOUDD = str(Path(sys.executable).with_name("cloudd"))
UNLIMITED = -1


@dataclass(frozen=True)
class EmbeddedCloud:
    """The process and a client of it."""

    client: ApiClient
    process_id: int
    start_seconds: float


@asynccontextmanager
async def embedded_cloud() -> AsyncIterator[EmbeddedCloud]:
    """Start the cloud in a directory of its own, log in, and remove it all at the end."""
    with tempfile.TemporaryDirectory(prefix="cloudd-bench-") as name:
        directory = Path(name)
        port = free_port()
        password = secrets.token_urlsafe(16)
        config = directory / "cloudd.yaml"
        config.write_text(yaml.safe_dump(settings(directory, port)))
        run(config, "db", "upgrade")
        run(config, "bootstrap", password=password)
        with (directory / "log").open("w") as log:
            began = asyncio.get_running_loop().time()
            process = await asyncio.create_subprocess_exec(CLOUDD, "--config", str(config), "all", stdout=log, stderr=log)
            client = ApiClient(f"http://127.0.0.1:{port}/identity/v3", password)
            try:
                await wait_for_login(client, process, directory / "log")
                yield EmbeddedCloud(client, process.pid, round(asyncio.get_running_loop().time() - began, 2))
            finally:
                await client.close()
                if process.returncode is None:
                    process.terminate()
                await process.wait()


def settings(directory: Path, port: int) -> dict[str, object]:
    """The settings file: every driver fake, no quota, more room than a thousand servers need."""
    ratios = dict.fromkeys(("cpu_allocation_ratio", "memory_allocation_ratio", "disk_allocation_ratio"), 100000.0)
    return {
        "database": {"url": f"sqlite:///{directory}/cloudd.db"},
        "api": {"public_url": f"http://127.0.0.1:{port}", "port": port},
        "host": {"name": "bench"},
        "log": {"level": "warning"},
        "identity": {"token_keys": [Fernet.generate_key().decode()]},
        "image": {"directory": str(directory / "images")},
        "volume": {"driver": "fake", "directory": str(directory / "volumes")},
        "network": {"driver": "fake"},
        "compute": {
            "driver": "fake",
            "instances_directory": str(directory / "instances"),
            "quota": {"instances": UNLIMITED, "cores": UNLIMITED, "ram": UNLIMITED},
            **ratios,
        },
    }


def run(config: Path, *words: str, password: str = "") -> None:
    """Run one of cloudd's commands that end by themselves."""
    done = subprocess.run([CLOUDD, "--config", str(config), *words], input=password + "\n", capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"cloudd {' '.join(words)}: {done.stderr.strip()[-800:]}")


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def wait_for_login(client: ApiClient, process: asyncio.subprocess.Process, log: Path, timeout_seconds: float = 30) -> None:
    """Log in as soon as the process answers."""
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    while True:
        try:
            return await client.log_in()
        except Exception as error:
            if process.returncode is not None or asyncio.get_running_loop().time() > deadline:
                raise RuntimeError(f"cloudd does not answer ({error!r}): {log.read_text()[-1500:]}") from error
            await asyncio.sleep(0.05)
