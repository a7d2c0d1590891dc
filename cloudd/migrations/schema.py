"""Brings a database to the schema that this version of cloudd needs.

To write a revision after changing tables: ``python -m cloudd.migrations.schema "Say what changes"``.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import autogenerate, command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from cloudd.assembly import SERVICES
from cloudd.kit.db import Database, metadata
from cloudd.kit.settings import DatabaseSettings, Settings


def load_tables() -> None:
    """Import every table of every service, so that the metadata is whole."""
    import_module("cloudd.kit.lock")
    import_module("cloudd.kit.saga")
    import_module("cloudd.kit.reconcile")
    for name in SERVICES:
        import_module(f"cloudd.{name}.service")


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


async def _on(db: Database, work: Callable[[sa.Connection], Any]) -> Any:
    try:
        return await db.engine.run(work)
    finally:
        await db.close()


async def upgrade(settings: Settings) -> None:
    """Run every revision that this database lacks."""
    await _on(Database.of(settings.section(DatabaseSettings)), lambda c: command.upgrade(_config(c), "head"))


async def current(settings: Settings) -> str | None:
    """The database's revision; None for an empty one."""
    return await _on(Database.of(settings.section(DatabaseSettings)), lambda c: MigrationContext.configure(c).get_current_revision())  # type: ignore[no-any-return]


async def differences(url: str) -> list[Any]:
    """What the tables in the code have and an upgraded database has not, or the other way round; empty is right."""
    load_tables()
    await _on(Database(url), lambda c: command.upgrade(_config(c), "head"))
    return await _on(Database(url), lambda c: autogenerate.compare_metadata(MigrationContext.configure(c), metadata))  # type: ignore[no-any-return]


async def write_revision(message: str) -> None:
    """Write the next revision from the difference between the newest one and the code's tables."""
    load_tables()
    number = len(list((Path(__file__).parent / "versions").glob("[0-9]*.py"))) + 1

    def work(connection: sa.Connection) -> None:
        command.upgrade(_config(connection), "head")
        slug = "_".join(re.findall(r"[a-z0-9]+", message.lower()))[:40]
        command.revision(_config(connection), message, autogenerate=True, rev_id=f"{number:04d}", version_path=None)
        made = next((Path(__file__).parent / "versions").glob(f"{number:04d}_*.py"))
        made.rename(made.with_name(f"{number:04d}_{slug}.py"))

    with tempfile.TemporaryDirectory() as directory:
        await _on(Database(f"sqlite:///{directory}/empty.db"), work)


if __name__ == "__main__":
    asyncio.run(write_revision(sys.argv[1]))
