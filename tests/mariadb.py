"""A private MariaDB server for tests: its own files, its own socket, no port."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path


class MariaDB:
    """Starts in about two seconds; ``new_database()`` gives the URL of an empty database."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "sock"
        self.server: subprocess.Popen[bytes] | None = None
        self.count = 0

    def start(self) -> None:
        if shutil.which("mariadbd") is None:
            raise RuntimeError("mariadbd is not installed; ./cloudctl test brings it (Debian package mariadb-server-core)")
        data = self.directory / "data"
        user = ["--user=root"] if os.geteuid() == 0 else []
        files = ["--no-defaults", f"--datadir={data}", *user]
        install = ["mariadb-install-db", *files, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(install, check=True, capture_output=True)
        log = (self.directory / "log").open("wb")
        self.server = subprocess.Popen(
            ["mariadbd", *files, f"--socket={self.socket}", "--skip-networking", f"--pid-file={self.directory}/pid"],
            stdout=log,
            stderr=log,
        )
        for _ in range(300):
            if self.socket.exists() and self._run("select 1").returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError(f"mariadbd did not start: {(self.directory / 'log').read_text()[-2000:]}")

    def stop(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.wait(30)

    def new_database(self) -> str:
        self.count += 1
        name = f"test{self.count}"
        self._run(f"create database {name} character set utf8mb4 collate utf8mb4_bin").check_returncode()
        return f"mysql://root@localhost/{name}?unix_socket={self.socket}"

    def _run(self, statement: str) -> subprocess.CompletedProcess[bytes]:
        client = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", "-e", statement]
        return subprocess.run(client, capture_output=True, check=False)
