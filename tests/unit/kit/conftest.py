"""An empty database of each kind that cloudd runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloudd.kit.db import Database, compare_exactly, metadata


async def with_kit_tables(url: str) -> Database:
    """An empty database with the kit's own tables, which are few."""
    database = Database(url)

    def work(connection: sa.Connection) -> None:
        compare_exactly(connection)
        metadata.create_all(connection, [table for table in metadata.sorted_tables if table.name.startswith("kit_")])

    await database.engine.run(work)
    return database


@pytest.fixture(params=["sqlite", "mariadb"])
async def db(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    is_sqlite = request.param == "sqlite"
    database = await with_kit_tables(f"sqlite:///{tmp_path}/test.db" if is_sqlite else request.getfixturevalue("mariadb").new_database())
    yield database
    await database.close()
