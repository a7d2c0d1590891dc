"""The races and the walk once more on MariaDB, where writers do run at once."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.conftest import EmbeddedCloud, settings_for, start_cloud
from tests.mariadb import MariaDB
from tests.unit.network.test_rules import (
    test_a_quota_holds_when_many_ask_at_once,
    test_lists_filter_sort_page_and_pick_fields,
    test_ports_made_at_once_get_different_addresses,
    test_the_default_group_is_there_once_and_stays,
)
from tests.unit.network.test_walk import test_from_network_to_floating_ip_and_back

__all__ = [
    "test_a_quota_holds_when_many_ask_at_once",
    "test_from_network_to_floating_ip_and_back",
    "test_lists_filter_sort_page_and_pick_fields",
    "test_ports_made_at_once_get_different_addresses",
    "test_the_default_group_is_there_once_and_stays",
]
SERVICES = ("identity", "network")


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    server = MariaDB(tmp_path_factory.mktemp("mariadb"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def cloud(mariadb: MariaDB, tmp_path: Path) -> AsyncIterator[EmbeddedCloud]:
    embedded = await start_cloud(settings_for(tmp_path, SERVICES, mariadb.new_database()), SERVICES)
    yield embedded
    await embedded.http.aclose()
    await embedded.process.stop()
