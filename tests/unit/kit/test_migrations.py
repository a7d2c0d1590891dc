"""The revisions run on MariaDB as they do on SQLite, and make the same tables."""

from __future__ import annotations

import pytest

from cloudd.kit.db import metadata
from cloudd.migrations.schema import differences
from tests.mariadb import MariaDB


@pytest.mark.timeout(240)
async def test_migrations_make_every_table_on_mariadb(mariadb: MariaDB) -> None:
    found = await differences(mariadb.new_database())
    missing = [
        change
        for change in found
        if isinstance(change, tuple) and change[0] in ("add_table", "add_column", "remove_table", "remove_column")
    ]
    assert not missing
    assert len(metadata.tables) > 40
