"""Brings a database to the schema that this version of cloudd needs, in two phases, so that two versions can work on it side by side.

Revisions that expand only add what the version before does not mind; they run before the first host gets the new version. Revisions
that contract take away what only the version before needs; they run when no host will go back to it. Each kind is a chain of its own.

To write a revision after changing tables: ``python -m cloudd.migrations.schema "Say what changes"``; with ``--contract`` before the
words for one that takes something away.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import autogenerate, command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from cloudd.assembly import SERVICES
from cloudd.kit.db import Database, metadata
from cloudd.kit.settings import DatabaseSettings, Settings

EXPAND, CONTRACT = "expand", "contract"


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


def _heads(config: Config, phase: str) -> list[str]:
    """The newest revision of a phase's chain; none when the chain has not begun."""
    chain = [one for one in ScriptDirectory.from_config(config).walk_revisions() if one.module.phase == phase]
    followed = {one.down_revision for one in chain}
    return [one.revision for one in chain if one.revision not in followed]


def _present(connection: sa.Connection) -> tuple[str, ...]:
    return MigrationContext.configure(connection).get_current_heads()


def _strangers(config: Config, present: Sequence[str]) -> list[str]:
    """Revisions that a later version has brought this database to."""
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    return [revision for revision in present if revision not in known]


def _expand(connection: sa.Connection) -> None:
    config, present = _config(connection), _present(connection)
    if _strangers(config, present):
        # A later version was here, and what it has added does not hinder this one.
        return
    for head in _heads(config, EXPAND) if present else ["heads"]:
        command.upgrade(config, head)


def _upgrade(connection: sa.Connection) -> None:
    if not _strangers(_config(connection), _present(connection)):
        command.upgrade(_config(connection), "heads")


async def upgrade(settings: Settings) -> None:
    """Run every revision that this database lacks: no version before is to work on it any more. Does nothing where a later one was."""
    await _on(Database.of(settings.section(DatabaseSettings)), _upgrade)


async def expand(settings: Settings) -> None:
    """Run what the version before can live with; on an empty database everything. Does nothing where a later version was."""
    await _on(Database.of(settings.section(DatabaseSettings)), _expand)


async def current(settings: Settings) -> str | None:
    """The database's revision, or several with commas; None for an empty one."""
    found: Sequence[str] = await _on(Database.of(settings.section(DatabaseSettings)), _present)
    return ",".join(sorted(found)) or None


async def differences(url: str) -> list[Any]:
    """What the tables in the code have and an upgraded database has not, or the other way round; empty is right."""
    load_tables()
    await _on(Database(url), lambda c: command.upgrade(_config(c), "heads"))
    return await _on(Database(url), lambda c: autogenerate.compare_metadata(MigrationContext.configure(c), metadata))  # type: ignore[no-any-return]


async def write_revision(message: str, phase: str) -> None:
    """Write the next revision of a phase from the difference between the newest ones and the code's tables."""
    load_tables()
    number = len(list((Path(__file__).parent / "versions").glob("[0-9]*.py"))) + 1

    def work(connection: sa.Connection) -> None:
        config = _config(connection)
        command.upgrade(config, "heads")
        slug = "_".join(re.findall(r"[a-z0-9]+", message.lower()))[:40]
        before = _heads(config, phase)
        command.revision(
            config,
            message,
            autogenerate=True,
            rev_id=f"{number:04d}",
            head=before[0] if before else "base",
            splice=True,
            depends_on=_heads(config, EXPAND)[0] if phase == CONTRACT else None,
        )
        made = next((Path(__file__).parent / "versions").glob(f"{number:04d}_*.py"))
        made.write_text(made.read_text().replace("phase = 'expand'", f"phase = '{phase}'"))
        made.rename(made.with_name(f"{number:04d}_{slug}.py"))

    with tempfile.TemporaryDirectory() as directory:
        await _on(Database(f"sqlite:///{directory}/empty.db"), work)


if __name__ == "__main__":
    asyncio.run(write_revision(sys.argv[-1], CONTRACT if "--contract" in sys.argv else EXPAND))
