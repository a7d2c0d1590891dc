"""The database and its account are made when missing, mended when wrong, and left alone when right."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture
def module(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/mariadb_database.py")


def account(module: ModuleType, password: str, **more: object) -> str:
    return json.dumps({"authentication_string": module.digest_of(password), "ssl_type": 1, **more})


def kinds(statements: list[str]) -> list[str]:
    return [statement.split()[0] for statement in statements]


def test_the_servers_own_digest(module: ModuleType) -> None:
    # SELECT PASSWORD('secret')
    assert module.digest_of("secret") == "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"


def test_everything_is_made_the_first_time_and_never_shows_the_password(module: ModuleType) -> None:
    statements = module.plan(["0", "{}", "0"], "cloudd", "cloudd", "secret")
    assert kinds(statements) == ["CREATE", "CREATE", "GRANT"]
    assert all("secret" not in statement for statement in statements)
    assert "utf8mb4_bin" in statements[0]
    assert "REQUIRE SSL" in statements[1]


def test_nothing_is_done_where_all_is_right(module: ModuleType) -> None:
    assert module.plan(["1", account(module, "secret"), "1"], "cloudd", "cloudd", "secret") == []


def test_another_password_and_a_lost_demand_for_tls_are_mended(module: ModuleType) -> None:
    assert kinds(module.plan(["1", account(module, "other"), "1"], "cloudd", "cloudd", "secret")) == ["ALTER"]
    assert kinds(module.plan(["1", account(module, "secret", ssl_type=0), "1"], "cloudd", "cloudd", "secret")) == ["ALTER"]
