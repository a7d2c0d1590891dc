"""What every export promises, seen from outside; tgtd is the real one, a private daemon on loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudd.volume.drivers.base import Connection
from cloudd.volume.errors import TargetFailed
from cloudd.volume.targets.tgt import TgtTarget
from cloudd.volume.targets.tgtd import Tgtd

CONTENT = b"what the volume holds" * 100

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("tgtd") is None or shutil.which("iscsi-ls") is None, reason="needs root, tgt and libiscsi-bin"
)


class Daemon:
    """A tgtd of the test's own: ``kill()`` and ``start()`` it."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        # Its control port names its socket, and must be no other's.
        self.control = 10000 + self.port % 20000
        self.socket = Path(f"/var/run/tgtd/socket.{self.control}")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.socket.parent.mkdir(exist_ok=True)
        self.socket.unlink(missing_ok=True)
        command = ["tgtd", "-f", "-C", str(self.control), "--iscsi", f"portal=127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            if self.socket.exists():
                return
            time.sleep(0.05)
        raise RuntimeError("tgtd does not start")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    made = Daemon()
    made.start()
    yield made
    made.kill()
    made.socket.unlink(missing_ok=True)
    Path(f"{made.socket}.lock").unlink(missing_ok=True)


@pytest.fixture
def target(daemon: Daemon, tmp_path: Path) -> TgtTarget:
    return TgtTarget(tmp_path / "exports", "127.0.0.1", daemon.port, Tgtd(daemon.socket))


@pytest.fixture
def local(tmp_path: Path) -> Connection:
    path = tmp_path / "volume.raw"
    path.write_bytes(CONTENT.ljust(16 << 20, b"\0"))
    return Connection(driver="file", path=str(path), format="raw", serial="a-volume")


async def read(connection: Connection, *, password: str | None = None) -> bytes | None:
    """The first bytes as a guest would see them, by libiscsi as QEMU uses it; None where it is not let in."""
    login = f"{connection.username}%{password or connection.password}@" if password != "" else ""
    url = f"iscsi://{login}{connection.portals[0]}/{connection.iqn}/{connection.lun}"
    done = await asyncio.to_thread(
        subprocess.run, ["qemu-io", "-f", "raw", "-r", "-c", "read -v 0 512", url], capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode or "can't open" in done.stderr:
        return None
    rows = [line.split(":", 1)[1].split("  ")[1] for line in done.stdout.splitlines() if line.startswith("000")]
    return bytes.fromhex("".join(rows).replace(" ", ""))


async def test_an_export_is_reached_with_its_own_credentials_only(target: TgtTarget, local: Connection) -> None:
    first = await target.export("v", "attachment-1", local)
    other = await target.export("v", "attachment-2", local)
    assert first.serial == "a-volume"
    assert await read(first) == CONTENT[:512]
    assert await read(other) == CONTENT[:512]
    assert first.password != other.password
    assert await read(first, password="wrong-password") is None
    assert await read(first, password=other.password) is None
    assert await read(first, password="") is None


async def test_export_and_withdraw_twice(target: TgtTarget, local: Connection) -> None:
    assert await target.export("v", "a", local) == await target.export("v", "a", local)
    connection = await target.export("v", "a", local)
    await target.withdraw("a")
    await target.withdraw("a")
    assert await read(connection) is None
    assert list(target.directory.iterdir()) == []
    assert (await target.export("v", "a", local)).password != connection.password


async def test_exports_come_back_when_the_daemon_dies(target: TgtTarget, daemon: Daemon, local: Connection) -> None:
    connection, gone = await target.export("v", "a", local), await target.export("v", "b", local)
    daemon.kill()
    with pytest.raises(TargetFailed):
        await target.export("v", "c", local)
    daemon.start()
    assert await read(connection) is None
    (target.directory / "b.json").unlink()
    for _ in range(2):
        await target.recover()
    assert await read(connection) == CONTENT[:512]
    assert await read(gone) is None


async def test_what_nobody_remembers_is_removed(target: TgtTarget, local: Connection) -> None:
    connection = await target.export("v", "a", local)
    (target.directory / "a.json").unlink()
    await target.recover()
    assert await target.tgtd.targets() == {}
    assert await read(connection) is None


async def test_credentials_are_for_root_alone(target: TgtTarget, local: Connection) -> None:
    await target.export("v", "a", local)
    (kept,) = target.directory.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
