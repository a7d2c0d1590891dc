"""The hosts that networks run on, as the agents that clients know."""

from __future__ import annotations

from uuid import NAMESPACE_DNS, uuid5

import msgspec

from cloudd.kit.auth import Context
from cloudd.kit.service import Cloud
from cloudd.kit.settings import HostSettings
from cloudd.network.drivers.base import DriverError, NetworkDriver
from cloudd.network.errors import EngineUnavailable, HostNotFound


class AgentView(msgspec.Struct, kw_only=True):
    id: str
    kind: str
    binary: str
    host: str
    alive: bool
    availability_zone: str
    physical_networks: list[str]


class NetworkAgents:
    def __init__(self, cloud: Cloud, driver: NetworkDriver) -> None:
        self._driver = driver
        self._zone = cloud.settings.section(HostSettings).availability_zone

    async def all(self, ctx: Context) -> list[AgentView]:
        """None exist for who is no admin. Raises EngineUnavailable."""
        return await self._hosts() if ctx.is_admin else []

    async def _hosts(self) -> list[AgentView]:
        try:
            hosts = await self._driver.chassis()
        except DriverError as error:
            raise EngineUnavailable(reason=str(error)) from error
        return [
            AgentView(
                id=str(uuid5(NAMESPACE_DNS, host.name)),
                kind="OVN Controller Gateway agent" if host.gateway else "OVN Controller agent",
                binary="ovn-controller",
                host=host.hostname,
                alive=host.alive,
                availability_zone=self._zone,
                physical_networks=list(host.physical_networks),
            )
            for host in hosts
        ]

    async def get(self, agent_id: str) -> AgentView:
        for agent in await self._hosts():
            if agent.id == agent_id:
                return agent
        raise HostNotFound(agent_id=agent_id)

    async def availability_zones(self) -> list[str]:
        return [self._zone]
