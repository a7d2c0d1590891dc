"""A person's walk through the network API, from a network to a floating IP and back to nothing."""

from typing import Any

import msgspec
import pytest

from tests.unit.network.steps import change, drop, engine_of, find, interface, make, make_private, make_public, settled, show

pytestmark = pytest.mark.services("identity", "network")


@pytest.mark.both_databases
async def test_from_network_to_floating_ip_and_back(cloud: Any) -> None:
    public, _ = await make_public(cloud)
    network, subnet = await make_private(cloud)
    router = await make(cloud, "routers", name="r", external_gateway_info={"network_id": public["id"]})
    assert router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"].startswith("192.0.2.1")
    leg = await interface(cloud, router["id"], subnet_id=subnet["id"])
    assert leg["subnet_id"] == subnet["id"]
    port = await make(cloud, "ports", network_id=network["id"])
    floating = await make(cloud, "floatingips", floating_network_id=public["id"], port_id=port["id"])
    assert floating["status"] == "ACTIVE"
    assert floating["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"]
    assert floating["router_id"] == router["id"]

    await settled(cloud)
    engine = engine_of(cloud)
    spec = engine.objects["router"][router["id"]]
    assert {nat.kind for nat in spec.nats} == {"snat", "dnat_and_snat"}
    assert [route.nexthop for route in spec.routes] == ["192.0.2.1"]
    assert (await show(cloud, "ports", port["id"]))["status"] == "DOWN"

    await interface(cloud, router["id"], "remove", status=409, subnet_id=subnet["id"])
    await drop(cloud, "routers", router["id"], status=409)
    await change(cloud, "floatingips", floating["id"], port_id=None)
    await drop(cloud, "floatingips", floating["id"])
    await interface(cloud, router["id"], "remove", subnet_id=subnet["id"])
    await drop(cloud, "routers", router["id"])
    await drop(cloud, "networks", network["id"], status=409)
    await drop(cloud, "ports", port["id"])
    await drop(cloud, "networks", network["id"])
    await drop(cloud, "networks", public["id"], as_="admin")
    await settled(cloud)
    assert {kind: len(found) for kind, found in engine.objects.items()} == {"network": 0, "security_group": 1, "port": 0, "router": 0}
    assert await find(cloud, "ports", as_="admin") == []
    assert await find(cloud, "subnets", as_="admin") == []


async def test_deleting_a_port_frees_its_floating_ip_and_address(cloud: Any) -> None:
    public, _ = await make_public(cloud)
    network, subnet = await make_private(cloud)
    router = await make(cloud, "routers", external_gateway_info={"network_id": public["id"]})
    await interface(cloud, router["id"], subnet_id=subnet["id"])
    port = await make(cloud, "ports", network_id=network["id"], fixed_ips=[{"ip_address": "10.0.0.77"}])
    floating = await make(cloud, "floatingips", floating_network_id=public["id"], port_id=port["id"])
    taken = await make(cloud, "ports", network_id=network["id"], fixed_ips=[{"ip_address": "10.0.0.77"}], status=409)
    assert taken["type"] == "IpAddressInUse"
    await drop(cloud, "ports", port["id"])
    after = await show(cloud, "floatingips", floating["id"])
    assert (after["port_id"], after["router_id"], after["status"]) == (None, None, "DOWN")
    await make(cloud, "ports", network_id=network["id"], fixed_ips=[{"ip_address": "10.0.0.77"}])


async def test_the_gateway_cannot_go_while_floating_ips_need_it(cloud: Any) -> None:
    public, _ = await make_public(cloud)
    network, subnet = await make_private(cloud)
    router = await make(cloud, "routers", external_gateway_info={"network_id": public["id"]})
    await interface(cloud, router["id"], subnet_id=subnet["id"])
    port = await make(cloud, "ports", network_id=network["id"])
    floating = await make(cloud, "floatingips", floating_network_id=public["id"], port_id=port["id"])
    refused = await change(cloud, "routers", router["id"], status=409, external_gateway_info={})
    assert refused["type"] == "RouterExternalGatewayInUseByFloatingIp"
    await drop(cloud, "floatingips", floating["id"])
    assert (await change(cloud, "routers", router["id"], external_gateway_info={}))["external_gateway_info"] is None
    assert await find(cloud, "ports", "?device_owner=network:router_gateway", as_="admin") == []


async def test_the_engine_gets_back_what_it_lost_and_loses_what_nobody_knows(cloud: Any) -> None:
    network, _ = await make_private(cloud)
    port = await make(cloud, "ports", network_id=network["id"])
    await settled(cloud)
    engine = engine_of(cloud)
    engine.objects["network"]["orphan"] = msgspec.structs.replace(engine.objects["network"][network["id"]], id="orphan")
    await engine.delete("network", network["id"])
    heal = next(item for service in cloud.process.services for item in service.reconcilers if item.name == "network.heal")
    await heal.run()
    assert set(engine.objects["network"]) == {network["id"]}
    assert port["id"] in engine.objects["port"]


async def test_changes_wait_for_an_engine_that_is_away(cloud: Any) -> None:
    engine = engine_of(cloud)
    engine.broken = True
    network, _ = await make_private(cloud)
    assert network["id"] not in engine.objects["network"]
    engine.broken = False
    await settled(cloud)
    assert network["id"] in engine.objects["network"]


async def test_a_port_keeps_what_it_names_and_gets_another_beside_it(cloud: Any) -> None:
    network = await make(cloud, "networks", name="two")
    subnet = await make(cloud, "subnets", network_id=network["id"], cidr="10.0.0.0/24", ip_version=4)
    port = await make(cloud, "ports", network_id=network["id"])
    (first,) = port["fixed_ips"]
    body = {"port": {"fixed_ips": [first, {"subnet_id": subnet["id"]}]}}
    both = (await cloud.request("PUT", f"/network/v2.0/ports/{port['id']}", json=body)).json()["port"]["fixed_ips"]
    assert both[0] == first
    assert len({fixed["ip_address"] for fixed in both}) == 2
    body = {"port": {"fixed_ips": [{"subnet_id": subnet["id"]}, {"subnet_id": subnet["id"]}]}}
    assert (await cloud.request("PUT", f"/network/v2.0/ports/{port['id']}", json=body)).json()["port"]["fixed_ips"] == both
