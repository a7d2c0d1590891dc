"""Ports follow their servers: the engine, the hosts' metadata and the floating IPs are told, and every step may run twice."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cloudd.network.client import NetworkClient
from cloudd.network.errors import PortNotFound
from cloudd.network.messages import CONTROL, NetworksOfHost
from cloudd.network.settings import NetworkSettings
from tests.unit.network.steps import change, engine_of, find, interface, make, make_private, make_public, settled, show

pytestmark = pytest.mark.services("identity", "network")
SOURCE, DESTINATION = "testhost", "second"


async def served(cloud: Any, host: str) -> set[str]:
    """Networks whose metadata a host is to serve, as its agent asks."""
    answer = await cloud.process.cloud.bus.call(CONTROL, NetworksOfHost(host=host), timeout_seconds=5)
    return {network.network_id for network in answer.networks}


@pytest.fixture
async def bound(cloud: Any) -> dict[str, Any]:
    """A port on a host, with a floating IP; `nat` and `spec` tell what the engine holds."""
    public, _ = await make_public(cloud)
    network, subnet = await make_private(cloud)
    router = await make(cloud, "routers", external_gateway_info={"network_id": public["id"]})
    await interface(cloud, router["id"], subnet_id=subnet["id"])
    port = await make(cloud, "ports", as_="admin", network_id=network["id"], project_id=cloud.projects["demo"], binding__host_id=SOURCE)
    await make(cloud, "floatingips", floating_network_id=public["id"], port_id=port["id"])
    await settled(cloud)

    def nat() -> Any:
        return next(item for item in engine_of(cloud).objects["router"][router["id"]].nats if item.kind == "dnat_and_snat")

    return {"port": port, "network": network["id"], "nat": nat, "spec": lambda: engine_of(cloud).objects["port"][port["id"]]}


async def test_a_running_server_moves(cloud: Any, bound: dict[str, Any]) -> None:
    client, port_id = cloud.process.cloud.client(NetworkClient), bound["port"]["id"]
    assert (bound["nat"]().logical_port, bound["nat"]().host) == (port_id, SOURCE)
    for _ in range(2):
        await client.begin_migration([port_id], DESTINATION)
    assert (bound["spec"]().host, bound["spec"]().destination) == (SOURCE, DESTINATION)
    seen = await show(cloud, "ports", port_id, "admin")
    assert (seen["binding:host_id"], seen["binding:profile"]) == (SOURCE, {"migrating_to": DESTINATION})
    assert bound["network"] in await served(cloud, SOURCE) & await served(cloud, DESTINATION)
    for _ in range(2):
        await client.finish_migration([port_id], DESTINATION)
    assert (bound["spec"]().host, bound["spec"]().destination) == (DESTINATION, "")
    await settled(cloud)
    assert bound["nat"]().host == DESTINATION
    assert (await show(cloud, "ports", port_id, "admin"))["binding:host_id"] == DESTINATION
    assert bound["network"] not in await served(cloud, SOURCE)


async def test_a_move_that_fails_leaves_the_port_where_it_was(cloud: Any, bound: dict[str, Any]) -> None:
    client, port_id = cloud.process.cloud.client(NetworkClient), bound["port"]["id"]
    before = msgspec.structs.replace(bound["spec"](), revision=0)
    await client.begin_migration([port_id], DESTINATION)
    for _ in range(2):
        await client.abort_migration([port_id], SOURCE)
    assert msgspec.structs.replace(bound["spec"](), revision=0) == before
    assert (await show(cloud, "ports", port_id, "admin"))["binding:profile"] == {}
    with pytest.raises(PortNotFound):
        await client.begin_migration(["00000000-0000-0000-0000-000000000000"], DESTINATION)


async def test_an_operator_binds_a_port_elsewhere(cloud: Any, bound: dict[str, Any]) -> None:
    port_id = bound["port"]["id"]
    await change(cloud, "ports", port_id, status=403, **{"binding:host_id": DESTINATION})
    await change(cloud, "ports", port_id, as_="admin", **{"binding:host_id": DESTINATION})
    await settled(cloud)
    assert bound["spec"]().host == DESTINATION
    assert bound["nat"]().host == DESTINATION


async def test_metadata_agents_are_seen(cloud: Any) -> None:
    await served(cloud, "third")
    agents = [agent for agent in await find(cloud, "agents", as_="admin") if agent["host"] == "third"]
    assert [(agent["agent_type"], agent["alive"]) for agent in agents] == [("OVN Metadata agent", True)]


async def test_vlans_are_given_out_once_each(cloud: Any) -> None:
    settings = cloud.process.cloud.settings.section(NetworkSettings)
    settings.tenant_network_type, settings.tunnel_type, settings.vlan_range = "vlan", "geneve", (100, 102)
    made = [await make(cloud, "networks") for _ in range(3)]
    shown = [await show(cloud, "networks", network["id"], "admin") for network in made]
    assert {item["provider:segmentation_id"] for item in shown} == {100, 101, 102}
    assert {(item["provider:network_type"], item["provider:physical_network"], item["mtu"]) for item in shown} == {
        ("vlan", "external", 1500)
    }
    assert (await make(cloud, "networks", status=409))["type"] == "NoNetworkAvailable"
    tunnelled = await make(cloud, "networks", as_="admin", provider__network_type="geneve")
    assert (tunnelled["provider:network_type"], tunnelled["mtu"]) == ("geneve", 1442)
