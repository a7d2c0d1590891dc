"""The hosts that networks run on, as the agents that clients know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_DNS, uuid5

import msgspec

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.settings import HostSettings
from cloudd.network.domain.records import Ground
from cloudd.network.drivers.base import Chassis, DriverError, NetworkDriver
from cloudd.network.errors import EngineUnavailable, HostNotFound


class AgentView(msgspec.Struct, kw_only=True):
    id: str
    kind: str
    binary: str
    host: str
    alive: bool
    availability_zone: str
    physical_networks: list[str]
    created_at: datetime | None = None
    heard_at: datetime | None = None


#: Metadata agents ask every 30 s what to serve.
SILENCE = timedelta(seconds=75)


class NetworkAgents:
    def __init__(self, ground: Ground, driver: NetworkDriver) -> None:
        self._db, self._stores = ground.cloud.db, ground.stores
        self._driver = driver
        self._zone = ground.cloud.settings.section(HostSettings).availability_zone

    async def all(self, ctx: Context) -> list[AgentView]:
        """None exist for who is no admin. Raises EngineUnavailable."""
        return await self._hosts() if ctx.is_admin else []

    async def _hosts(self) -> list[AgentView]:
        try:
            hosts = await self._driver.chassis()
        except DriverError as error:
            raise EngineUnavailable(reason=str(error)) from error
        async with self._db.read() as tx:
            listeners = await self._stores.agents.find(tx)
        metadata = [
            AgentView(
                id=str(uuid5(NAMESPACE_DNS, f"metadata.{item.id}")),
                kind="OVN Metadata agent",
                binary="cloudd-agent",
                host=item.id,
                alive=now() - item.heard_at < SILENCE,
                availability_zone=self._zone,
                physical_networks=[],
                created_at=item.created_at,
                heard_at=item.heard_at,
            )
            for item in listeners
        ]
        return [self._controller(host) for host in hosts] + metadata

    def _controller(self, host: Chassis) -> AgentView:
        return AgentView(
            id=str(uuid5(NAMESPACE_DNS, host.name)),
            kind="OVN Controller Gateway agent" if host.gateway else "OVN Controller agent",
            binary="ovn-controller",
            host=host.hostname,
            alive=host.alive,
            availability_zone=self._zone,
            physical_networks=list(host.physical_networks),
            heard_at=datetime.fromtimestamp(host.heartbeat, UTC) if host.heartbeat else None,
        )

    async def get(self, agent_id: str) -> AgentView:
        for agent in await self._hosts():
            if agent.id == agent_id:
                return agent
        raise HostNotFound(agent_id=agent_id)

    async def availability_zones(self) -> list[str]:
        return [self._zone]
