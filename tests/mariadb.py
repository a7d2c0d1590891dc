"""A private MariaDB server for tests: its own files, its own socket, no port, and nothing kept beyond a crash."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cloudd.kit.db import Database, metadata
from cloudd.migrations.schema import load_tables

#: The disk is waited for no more than these tests need.
QUICK = ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--skip-log-bin", "--performance-schema=off"]


class MariaDB:
    """Starts in about two seconds; ``new_database()`` gives the URL of an empty database."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "sock"
        self.server: subprocess.Popen[bytes] | None = None
        self.count = 0
        self.cloud_url = ""

    def start(self) -> None:
        if shutil.which("mariadbd") is None:
            raise RuntimeError("mariadbd is not installed; ./cloudctl test brings it (Debian package mariadb-server-core)")
        data = self.directory / "data"
        user = ["--user=root"] if os.geteuid() == 0 else []
        files = ["--no-defaults", f"--datadir={data}", *user]
        install = ["mariadb-install-db", *files, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(install, check=True, capture_output=True)
        log = (self.directory / "log").open("wb")
        # A run that is cut off takes it along.
        server = ["setpriv", "--pdeathsig", "KILL", "mariadbd", *files, *QUICK]
        self.server = subprocess.Popen(
            [*server, f"--socket={self.socket}", "--skip-networking", f"--pid-file={self.directory}/pid"],
            stdout=log,
            stderr=log,
        )
        for _ in range(300):
            if self.socket.exists() and self.run("select 1").returncode == 0:
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
        self.run(f"create database {name}").check_returncode()
        return f"mysql://root@localhost/{name}?unix_socket={self.socket}"

    async def cloud_database(self) -> str:
        """The URL of a database with all tables. There is one, for making them takes a second: `furnish` empties it for each test."""
        if not self.cloud_url:
            load_tables()
            self.cloud_url = self.new_database()
            db = Database(self.cloud_url)
            await db.create_tables()
            await db.close()
        return self.cloud_url

    def run(self, statement: str) -> subprocess.CompletedProcess[bytes]:
        client = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", "-e", statement]
        return subprocess.run(client, capture_output=True, check=False)


async def furnish(db: Database, template: Path) -> None:
    """Let the tables hold what those of the SQLite file do, and nothing else."""

    def work(connection: sa.Connection) -> None:
        connection.exec_driver_sql("set foreign_key_checks = 0")
        found = " union all ".join(f"select '{name}' where exists (select 1 from `{name}`)" for name in metadata.tables)
        for name in connection.exec_driver_sql(found).scalars().all():
            connection.exec_driver_sql(f"delete from `{name}`")
        for table, records in rows_of(template).items():
            connection.execute(sa.insert(table), records)
        connection.exec_driver_sql("set foreign_key_checks = 1")

    await db.engine.run(work)


@cache
def rows_of(template: Path) -> dict[sa.Table, list[dict[str, Any]]]:
    """What the SQLite file's tables hold, of those that hold anything."""
    source = sa.create_engine(f"sqlite:///{template}")
    with source.connect() as connection:
        rows = {table: [dict(row) for row in connection.execute(sa.select(table)).mappings()] for table in metadata.sorted_tables}
    source.dispose()
    return {table: records for table, records in rows.items() if records}
