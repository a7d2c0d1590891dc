"""Puts the process together: the one place that knows all services by name."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from cloudd.kit.auth import Authenticator
from cloudd.kit.bus import Bus, Handler, InProcessBus
from cloudd.kit.db import Database
from cloudd.kit.nudge import Nudges
from cloudd.kit.policy import Policy
from cloudd.kit.reconcile import ReconcilerLoop
from cloudd.kit.retry import retried
from cloudd.kit.service import Agent, Cloud, Service
from cloudd.kit.settings import ApiSettings, BusSettings, DatabaseSettings, Settings, SettingsError
from cloudd.kit.web import Dispatcher, ServiceApp

log = logging.getLogger(__name__)

#: Each is a package with service.py; identity first, for it authenticates for all.
SERVICES = ("identity", "image", "placement", "network", "volume", "compute", "health")
#: Services with a part that runs on hosts: package.agent.build(settings, bus).
AGENTS = ("image", "network", "volume", "compute")


def declare_settings(names: Iterable[str] = SERVICES) -> None:
    """Import each service's settings.py, which declares its section."""
    for name in names:
        import_module(f"cloudd.{name}.settings")


def make_bus(settings: Settings) -> Bus:
    """The bus that the settings name."""
    section = settings.section(BusSettings)
    kind = section.url.partition(":")[0]
    if kind == "inprocess":
        return InProcessBus()
    if kind in ("amqp", "amqps"):
        from cloudd.kit.bus.rabbitmq import RabbitBus

        return RabbitBus(section.url, section.ca_path)
    raise SettingsError(f"bus.url: {kind!r} is no bus that cloudd knows; use inprocess: or amqps:")


class Process:
    """The services of one process: API applications, worker and agents, whichever its command asks for."""

    def __init__(self, settings: Settings, services: Iterable[str] = SERVICES) -> None:
        self.cloud = Cloud(settings, Database.of(settings.section(DatabaseSettings)), make_bus(settings))
        self.services: list[Service] = [import_module(f"cloudd.{name}.service").service(self.cloud) for name in services]
        rules = {name: text for service in self.services for name, text in service.rules.items()}
        self.policy = Policy(rules, settings.section(ApiSettings).policy_path)
        self.nudges = Nudges(self.cloud.bus, self.cloud.sagas)
        self.reconcilers = ReconcilerLoop(self.cloud.db, self.cloud.sagas.owner)
        self.agents: list[Agent] = []
        for service in self.services:
            self.cloud.sagas.register(*service.sagas)

    def app(self) -> Dispatcher:
        """The ASGI application of the whole address."""
        from cloudd.identity.client import IdentityClient

        authenticator: Authenticator = self.cloud.client(IdentityClient)
        apps = {
            s.name: ServiceApp(
                s.name, s.routes, title=s.title, error_body=s.error_body, policy=self.policy, authenticator=authenticator,
                versions=s.versions, older_paths=s.older_paths, request_id_headers=s.request_id_headers, trailing_slash=s.trailing_slash,
                dependencies=s.dependencies, max_body_bytes=s.max_body_bytes,
            )
            for s in self.services
        }  # fmt: skip
        return Dispatcher(apps)

    async def start(self) -> None:
        """What every process with a database does."""
        await self.cloud.bus.start()
        for service in self.services:
            if service.start is not None:
                await service.start()

    def serve_topics(self) -> None:
        """Answer what agents ask of the control plane."""
        for service in self.services:
            for topic, handlers in service.topics.items():
                self.cloud.bus.serve(topic, {kind: _retried(handler) for kind, handler in handlers.items()})

    async def start_worker(self, *, alone: bool) -> None:
        """Run sagas and reconcilers. ``alone``: no other process works on this database."""
        await self.cloud.sagas.run_worker(alone=alone)
        self.nudges.serve()
        self.reconcilers.start([reconciler for service in self.services for reconciler in service.reconcilers], alone=alone)

    async def start_agents(self, names: Iterable[str] = AGENTS) -> None:
        for name in names:
            agent = import_module(f"cloudd.{name}.agent").build(self.cloud.settings, self.cloud.bus)
            await agent.start()
            self.agents.append(agent)

    async def stop(self, grace_seconds: float = 0) -> None:
        """End everything; sagas get so long to come to the end of their step."""
        self.nudges.withdraw()
        await self.reconcilers.stop()
        await self.cloud.sagas.stop(grace_seconds)
        for agent in reversed(self.agents):
            await agent.stop()
        for service in reversed(self.services):
            if service.stop is not None:
                await service.stop()
        await self.cloud.bus.close()
        await self.cloud.db.close()


def _retried(handler: Handler) -> Handler:
    """Messages may come twice, so their handlers are idempotent."""

    async def handle(message: Any) -> Any:
        return await retried(lambda: handler(message), idempotent=True)

    return handle
