"""What compute's tests start from: an image, a flavor, a network, and a server on them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from cloudd.compute.agent.agent import ComputeAgent
from cloudd.compute.agent.image import HostImages
from cloudd.compute.drivers.fake import FakeDriver
from cloudd.compute.store.host import host_table
from cloudd.kit.clock import now
from cloudd.kit.settings import HostSettings
from tests.conftest import EmbeddedCloud

Api = Callable[..., Awaitable[Any]]
FIRST_HOST = "testhost"


class Compute:
    """Speaks to an embedded cloud's compute API, and looks into its fake hypervisor."""

    def __init__(self, cloud: EmbeddedCloud) -> None:
        self.cloud = cloud
        self.image_id = ""
        self.network_id = ""
        self._lost: dict[str, ComputeAgent] = {}

    @property
    def agents(self) -> dict[str, ComputeAgent]:
        """Every host's agent by the host's name."""
        return {agent.host.name: agent for agent in self.cloud.process.agents if isinstance(agent, ComputeAgent)}

    def driver_of(self, host: str) -> FakeDriver:
        """One host's driver."""
        driver = {**self.agents, **self._lost}[host].driver
        assert isinstance(driver, FakeDriver)
        return driver

    @property
    def driver(self) -> FakeDriver:
        """The first host's driver."""
        return self.driver_of(FIRST_HOST)

    @property
    def _images(self) -> HostImages:
        return {**self.agents, **self._lost}[FIRST_HOST].images

    async def add_host(self, name: str, **capacity: int) -> FakeDriver:
        """Another host on the same bus, in the rack of the first."""
        host = HostSettings(name=name, management_address=f"10.9.0.{len(self.agents) + 1}")
        driver = FakeDriver(address=host.management_address, rack=self.driver.rack, **capacity)
        agent = ComputeAgent(driver, self._images, self.cloud.cloud.bus, host, 5)
        await agent.start()
        self.cloud.process.agents.append(agent)
        return driver

    async def lose_host(self, name: str) -> None:
        """Cut its power: it does not answer, and the cloud knows."""
        agent = self.agents[name]
        await agent.stop()
        self._lost[name] = agent
        self.cloud.process.agents.remove(agent)
        self.driver.rack.pop(agent.host.management_address, None)
        await self._see(name, now() - timedelta(hours=1))

    async def return_host(self, name: str, *, rebooted: bool = True) -> None:
        """It is back: after a power cut, or `rebooted` false, it was only cut off."""
        agent = self._lost[name]
        assert isinstance(agent.driver, FakeDriver)
        self.driver.rack[agent.host.management_address] = agent.driver
        if rebooted:
            agent.driver.reboot_host()
        fresh = ComputeAgent(agent.driver, self._images, self.cloud.cloud.bus, agent.host, 5)
        self.cloud.process.agents.append(fresh)
        del self._lost[name]
        await fresh.start()
        await self.cloud.settle()

    async def heal(self) -> None:
        """Let the hosts report, and the reconciler look."""
        for agent in self.agents.values():
            await agent._beat_once()
        (service,) = (service for service in self.cloud.process.services if service.name == "compute")
        (reconciler,) = (one for one in service.reconcilers if one.name == "compute.heal")
        await reconciler.run()
        await self.cloud.settle()

    async def _see(self, name: str, moment: datetime) -> None:
        async with self.cloud.cloud.db.write() as tx:
            await tx.execute(sa.update(host_table).where(host_table.c.name == name).values(seen_at=moment))

    async def call(
        self, method: str, path: str, body: Any = None, *, status: int | None = None, version: str = "2.96", as_: str = "demo"
    ) -> Any:
        """The decoded answer; `status` is what must come (None: any success)."""
        options = {"json": body} if body is not None else {}
        answer = await self.cloud.request(
            method, f"/compute/v2.1{path}", as_=as_, headers={"OpenStack-API-Version": f"compute {version}"}, **options
        )
        assert answer.status_code == status if status else answer.status_code < 300, (answer.status_code, answer.text)
        return answer.json() if answer.content else None

    async def make_server(self, name: str = "first", **body: Any) -> dict[str, Any]:
        """A server that is done, whatever came of it."""
        wanted = {"name": name, "imageRef": self.image_id, "flavorRef": "1", "networks": [{"uuid": self.network_id}], **body}
        made = (await self.call("POST", "/servers", {"server": wanted}, status=202))["server"]
        await self.cloud.settle()
        return await self.show(made["id"])

    async def show(self, server_id: str) -> dict[str, Any]:
        server: dict[str, Any] = (await self.call("GET", f"/servers/{server_id}", as_="admin"))["server"]
        return server

    async def act(self, server_id: str, act: str, body: Any = None, *, status: int = 202, as_: str = "demo") -> Any:
        """Do it and wait until it is done."""
        answer = await self.call("POST", f"/servers/{server_id}/action", {act: body}, status=status, as_=as_)
        await self.cloud.settle()
        return answer


@pytest.fixture
async def compute(cloud: EmbeddedCloud) -> Compute:
    made = Compute(cloud)
    sizes = {"name": "tiny", "ram": 128, "vcpus": 1, "disk": 1, "id": "1"}
    await made.call("POST", "/flavors", {"flavor": sizes}, as_="admin")
    await made.call("POST", "/flavors", {"flavor": {**sizes, "name": "small", "ram": 512, "disk": 2, "id": "2"}}, as_="admin")
    body = {"name": "image", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    answer = await cloud.request("POST", "/image/v2/images", as_="admin", json=body)
    made.image_id = answer.json()["id"]
    content = {"Content-Type": "application/octet-stream"}
    answer = await cloud.request("PUT", f"/image/v2/images/{made.image_id}/file", as_="admin", headers=content, content=bytes(1 << 20))
    assert answer.status_code == 204, answer.text
    answer = await cloud.request("POST", "/network/v2.0/networks", json={"network": {"name": "private"}})
    made.network_id = answer.json()["network"]["id"]
    subnet = {"network_id": made.network_id, "ip_version": 4, "cidr": "10.1.0.0/24"}
    answer = await cloud.request("POST", "/network/v2.0/subnets", json={"subnet": subnet})
    assert answer.status_code == 201, answer.text
    return made
