"""Fixtures of the fast tests: an embedded cloud on a fresh database, with fake drivers, reached through its ASGI application."""

from __future__ import annotations

import atexit
import gc
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from cloudd import assembly
from cloudd.identity.bootstrap import bootstrap
from cloudd.kit.db import Database, SQLite
from cloudd.kit.settings import DatabaseSettings, Settings
from cloudd.migrations.schema import load_tables
from tests.mariadb import MariaDB, furnish
from tests.people import add_people

TOKEN_KEY = Fernet.generate_key().decode()


class EmbeddedCloud:
    """A running cloud: ``request`` speaks to it as one of its users."""

    def __init__(self, process: assembly.Process) -> None:
        self.process = process
        self.cloud = process.cloud
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=process.app(), raise_app_exceptions=False), base_url="http://cloud")  # type: ignore[arg-type]
        self.tokens: dict[str, str] = {}
        self.projects: dict[str, str] = {}

    async def request(
        self, method: str, path: str, *, as_: str | None = "demo", headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        token = {"X-Auth-Token": self.tokens[as_]} if as_ else {}
        return await self.http.request(method, path, headers={**token, **(headers or {})}, **options)

    async def settle(self) -> None:
        """Wait until no saga is left to run."""
        await self.cloud.sagas.idle()


def settings_for(directory: Path, services: tuple[str, ...] = assembly.SERVICES, database_url: str | None = None) -> Settings:
    """Settings of an embedded cloud of these services whose files live below ``directory``, with fake drivers."""
    assembly.declare_settings(services)
    sections = {
        "database": {"url": database_url or f"sqlite:///{directory}/cloudd.db"},
        "api": {"public_url": "http://cloud"},
        "host": {"name": "testhost"},
        "identity": {"token_keys": [TOKEN_KEY], "argon2_memory_kib": 8, "argon2_passes": 1},
        "image": {"directory": str(directory / "images")},
        "network": {"driver": "fake"},
        "volume": {"driver": "fake", "directory": str(directory / "volumes")},
        "compute": {"driver": "fake", "instances_directory": str(directory / "instances")},
    }
    return Settings({name: section for name, section in sections.items() if name not in assembly.SERVICES or name in services})


class Furnished(msgspec.Struct):
    """A database file with all tables, the first records and the tests' users, made once and copied for each test."""

    path: Path
    tokens: dict[str, str]
    projects: dict[str, str]


_furnished: list[Furnished] = []


async def furnished() -> Furnished:
    """The one of this test run."""
    if not _furnished:
        load_tables()
        directory = Path(tempfile.mkdtemp(prefix="cloudd-tests-"))
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        process = assembly.Process(settings_for(directory, ("identity",)), ("identity",))
        await process.cloud.db.create_tables()
        await bootstrap(process.cloud, "admin-password")
        embedded = EmbeddedCloud(process)
        await add_people(embedded)
        await embedded.http.aclose()
        # Closing the last connection folds the write-ahead log into the file.
        await process.stop()
        _furnished.append(Furnished(directory / "cloudd.db", embedded.tokens, embedded.projects))
    return _furnished[0]


_dialect: list[sa.Dialect] = []
_compiled: dict[Any, Any] = {}


def share_compiled_statements(db: Database) -> None:
    """Compile each statement once in a run rather than once a cloud, a fifth of the time: SQLite's clouds share dialect and cache."""
    if isinstance(db.engine, SQLite):
        if not _dialect:
            _dialect.append(db.engine.engine.dialect)
        # A compiled statement is its dialect object's own.
        db.engine.engine.dialect = _dialect[0]
        db.engine.engine.update_execution_options(compiled_cache=_compiled)


async def start_cloud(settings: Settings, services: tuple[str, ...] = assembly.SERVICES) -> EmbeddedCloud:
    """A started cloud with the users admin, demo, other and reader; its database holds what ``furnished`` does."""
    template = await furnished()
    process = assembly.Process(settings, services)
    share_compiled_statements(process.cloud.db)
    url = settings.section(DatabaseSettings).url
    if not url.startswith("sqlite:///"):
        await furnish(process.cloud.db, template.path)
    elif not (database := Path(url.removeprefix("sqlite:///"))).exists():
        shutil.copy(template.path, database)
    await process.start()
    process.serve_topics()
    await process.start_agents(tuple(name for name in assembly.AGENTS if name in services))
    await process.start_worker(alone=True)
    embedded = EmbeddedCloud(process)
    embedded.tokens, embedded.projects = dict(template.tokens), dict(template.projects)
    return embedded


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-database", action="store_true", help="run all tests of a cloud on MariaDB too, not only those marked")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that needs a database server is none of the fast ones, which need no service."""
    for item in items:
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if "mariadb" in getattr(item, "fixturenames", ()) or "mariadb" in parameters:
            item.add_marker(pytest.mark.real)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is loaded by now stays for the whole run: the collector need not walk it again and again, a tenth of the run's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``@pytest.mark.both_databases``: once on SQLite, once on MariaDB."""
    both = metafunc.definition.get_closest_marker("both_databases") or metafunc.config.getoption("--every-database")
    if both and "database" in metafunc.fixturenames:
        metafunc.parametrize("database", ["sqlite", "mariadb"], indirect=True)


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    server = MariaDB(tmp_path_factory.mktemp("mariadb"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """What the test's cloud runs on: sqlite or mariadb."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
async def cloud(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> AsyncIterator[EmbeddedCloud]:
    """An embedded cloud; ``@pytest.mark.services("identity", …)`` narrows it to those services."""
    marker = request.node.get_closest_marker("services")
    services = marker.args if marker else assembly.SERVICES
    url = await request.getfixturevalue("mariadb").cloud_database() if database == "mariadb" else None
    embedded = await start_cloud(settings_for(tmp_path, services, url), services)
    yield embedded
    await embedded.http.aclose()
    await embedded.process.stop()
