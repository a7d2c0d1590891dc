"""What a service is made of, and the process that holds the services together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec
from litestar.handlers import HTTPRouteHandler

from cloudd.kit.bus import Bus, Handlers
from cloudd.kit.db import Database
from cloudd.kit.health import Check
from cloudd.kit.microversion import Microversions
from cloudd.kit.reconcile import Reconciler
from cloudd.kit.saga import Saga, SagaEngine
from cloudd.kit.settings import Settings
from cloudd.kit.web import ErrorBody

Client = TypeVar("Client")


class Cloud:
    """What every service is given: settings, database, bus, sagas, and the doors of the other services.

    A door is looked up when it is used (``cloud.client(ImageClient)``), so services may be made in any order.
    """

    def __init__(self, settings: Settings, db: Database, bus: Bus) -> None:
        self.settings = settings
        self.db = db
        self.bus = bus
        self.sagas = SagaEngine(db)
        #: what the services have to say about their health
        self.checks: list[Check] = []
        self._clients: dict[type, Any] = {}

    def offer(self, client: Any) -> None:
        """Publish a service's door under its type."""
        self._clients[type(client)] = client

    def client(self, kind: type[Client]) -> Client:
        """Another service's door."""
        return self._clients[kind]  # type: ignore[no-any-return]


class Service(msgspec.Struct, kw_only=True):
    """One service, as its ``service.py`` puts it together."""

    #: path prefix, settings section and prefix of its tables
    name: str
    title: str
    routes: list[HTTPRouteHandler]
    #: default policy rules by name
    rules: Mapping[str, str]
    error_body: ErrorBody
    #: what its routes are given by name: the domain's classes
    dependencies: Mapping[str, Any]
    versions: Microversions | None = None
    #: prefixes of paths of older APIs, and the prefix whose routes serve them at the lowest microversion: {"/v2/": "/v2.1/"}
    older_paths: Mapping[str, str] = {}
    #: under which names besides x-openstack-request-id its clients look for the request's id
    request_id_headers: tuple[str, ...] = ()
    #: "/v3/users/" is the collection, as upstream has it here; elsewhere it is a record with an empty id, which is absent
    trailing_slash: bool = False
    sagas: list[Saga] = []
    reconcilers: list[Reconciler] = []
    #: bus topics that a worker of the control plane answers
    topics: Mapping[str, Handlers] = {}
    #: run once in each API or worker process after the database is open
    start: Callable[[], Awaitable[None]] | None = None
    stop: Callable[[], Awaitable[None]] | None = None
    max_body_bytes: int = 10 * 1024 * 1024


class Agent(Protocol):
    """The part of a service that runs on a host. It has settings and the bus, never the database."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...
