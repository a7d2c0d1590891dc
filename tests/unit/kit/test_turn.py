"""Two hosts that bring the database up to date at the same moment do it one after the other."""

from __future__ import annotations

import asyncio

import pytest

from cloudd.kit.settings import Settings
from cloudd.migrations.turn import turn
from tests.mariadb import MariaDB


def settings_of(url: str) -> Settings:
    return Settings({"database": {"url": url}})


@pytest.mark.timeout(60)
async def test_turns_do_not_overlap_on_mariadb(mariadb: MariaDB) -> None:
    settings = settings_of(mariadb.new_database())
    inside, most, order = 0, 0, []

    async def work(name: str) -> None:
        nonlocal inside, most
        async with turn(settings):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.2)
            order.append(name)
            inside -= 1

    await asyncio.gather(work("a"), work("b"), work("c"))
    assert most == 1
    assert sorted(order) == ["a", "b", "c"]


async def test_a_turn_ends_with_its_process(mariadb: MariaDB) -> None:
    settings = settings_of(mariadb.new_database())
    with pytest.raises(RuntimeError):
        async with turn(settings):
            raise RuntimeError
    async with turn(settings):
        pass
