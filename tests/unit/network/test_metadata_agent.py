"""The metadata agent: what it serves, and that a guest's request reaches compute with who asks."""

import asyncio
from typing import Any

import httpx
import pytest

from cloudd.kit.bus import InProcessBus
from cloudd.kit.errors import NotFound
from cloudd.network.agent.fake import FakePlumbing
from cloudd.network.agent.metadata import MetadataAgent
from cloudd.network.agent.plumbing import PlumbingError
from cloudd.network.client import NetworkClient
from cloudd.network.messages import (
    CONTROL,
    METADATA,
    MetadataReply,
    MetadataRequest,
    NetworksOfHost,
    RefreshHost,
    ServedNetwork,
    ServedNetworks,
    agent_topic,
)
from tests.unit.network.steps import drop, make_private


def network(key: str = "n1") -> ServedNetwork:
    return ServedNetwork(network_id=key, port_id=f"p-{key}", mac_address="fa:16:3e:00:00:02", addresses=["10.0.0.2/24"], mtu=1442)


async def until(condition: Any) -> None:
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to be")


async def get(plumbing: FakePlumbing, path: str, **options: Any) -> httpx.Response:
    port = plumbing.sockets["n1"].getsockname()[1]
    async with httpx.AsyncClient() as http:
        return await http.request(options.pop("method", "GET"), f"http://127.0.0.1:{port}{path}", **options)


async def test_a_request_goes_to_compute_with_network_and_address() -> None:
    bus, plumbing = InProcessBus(), FakePlumbing()
    seen: list[MetadataRequest] = []

    async def answer(request: MetadataRequest) -> MetadataReply:
        seen.append(request)
        return MetadataReply(status=200, body=b"\x00some bytes")

    bus.serve(METADATA, {MetadataRequest: answer})
    agent = MetadataAgent("host", bus, plumbing)
    assert await agent.serve([network()])
    reply = await get(plumbing, "/latest/meta-data/instance-id?x=1", headers={"X-Aws-Ec2-Metadata-Token": "t"})
    assert (reply.status_code, reply.content) == (200, b"\x00some bytes")
    assert (seen[0].network_id, seen[0].address, seen[0].path) == ("n1", "127.0.0.1", "/latest/meta-data/instance-id?x=1")
    assert seen[0].headers["x-aws-ec2-metadata-token"] == "t"
    assert (await get(plumbing, "/", method="HEAD")).content == b""
    assert (await get(plumbing, "/", method="PUT", content=b"body")).status_code == 200
    assert (seen[-1].method, seen[-1].body) == ("PUT", b"body")
    await agent.stop()


async def test_conditions_become_statuses() -> None:
    bus, plumbing = InProcessBus(), FakePlumbing()
    agent = MetadataAgent("host", bus, plumbing)
    await agent.serve([network()])
    assert (await get(plumbing, "/")).status_code == 503

    async def nobody(request: MetadataRequest) -> MetadataReply:
        raise NotFound(what="The server")

    bus.serve(METADATA, {MetadataRequest: nobody})
    assert (await get(plumbing, "/")).status_code == 404
    await agent.stop()


async def test_garbage_is_answered_and_the_listener_lives_on() -> None:
    bus, plumbing = InProcessBus(), FakePlumbing()
    agent = MetadataAgent("host", bus, plumbing)
    await agent.serve([network()])
    reader, writer = await asyncio.open_connection("127.0.0.1", plumbing.sockets["n1"].getsockname()[1])
    writer.write(b"\x16\x03\x01 nonsense\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()
    assert (await get(plumbing, "/")).status_code == 503
    await agent.stop()


async def test_it_follows_the_control_plane_and_retries_what_failed() -> None:
    bus, plumbing = InProcessBus(), FakePlumbing()
    wanted = [network("n1"), network("n2")]

    async def networks(message: NetworksOfHost) -> ServedNetworks:
        assert message.host == "host"
        return ServedNetworks(networks=wanted)

    bus.serve(CONTROL, {NetworksOfHost: networks})
    plumbing.networks["left-over"] = network("left-over")
    agent = MetadataAgent("host", bus, plumbing)
    await agent.start()
    await until(lambda: set(plumbing.sockets) == {"n1", "n2"} and set(plumbing.networks) == {"n1", "n2"})
    wanted.pop()
    await bus.cast(agent_topic("host"), RefreshHost())
    await until(lambda: set(plumbing.networks) == {"n1"})
    await agent.stop()


async def test_one_network_s_failure_does_not_stop_the_others() -> None:
    class Broken(FakePlumbing):
        async def plug(self, network: ServedNetwork) -> None:
            if network.network_id == "n1":
                raise PlumbingError("no room")
            await super().plug(network)

    plumbing = Broken()
    agent = MetadataAgent("host", InProcessBus(), plumbing)
    assert await agent.serve([network("n1"), network("n2")]) is False
    assert set(plumbing.sockets) == {"n2"}
    await agent.stop()


@pytest.mark.services("identity", "network")
async def test_the_control_plane_names_the_networks_of_bound_ports(cloud: Any) -> None:
    client = cloud.cloud.client(NetworkClient)
    private, subnet = await make_private(cloud)
    ctx = await cloud.process.app().apps["network"].authenticator.authenticate(cloud.tokens["demo"], "r")
    plan = (await client.resolve_requests(ctx, "auto"))[0]
    view = await client.create_port(plan, "server-1", "testhost")
    again = await client.create_port(plan, "server-1", "testhost")
    assert view.fixed_ips == again.fixed_ips
    served = await cloud.cloud.bus.call(CONTROL, NetworksOfHost(host="testhost"))
    assert [item.network_id for item in served.networks] == [private["id"]]
    assert served.networks[0].addresses == ["10.0.0.2/24"]
    agent = cloud.process.agents[0]
    await until(lambda: private["id"] in agent._servers)
    assert (await client.port_at(private["id"], view.fixed_ips[0].ip_address)).device_id == "server-1"
    assert (await client.security_groups_of([view.port_id]))[view.port_id] == ["default"]
    await client.delete_port(view.port_id)
    await client.delete_port(view.port_id)
    assert await client.ports_of(["server-1"]) == {"server-1": []}
    await until(lambda: not agent._servers)
    await drop(cloud, "networks", private["id"])
    assert subnet["network_id"] == private["id"]
