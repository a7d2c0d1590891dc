"""Another project's resources do not exist, and admin's attributes are the admin's."""

from typing import Any

import pytest

from tests.unit.network.steps import V2, change, find, interface, make, make_private, make_public, show

pytestmark = pytest.mark.services("identity", "network")


async def world(cloud: Any) -> dict[str, str]:
    """One of each, of project demo: collection to id."""
    public, _ = await make_public(cloud)
    network, subnet = await make_private(cloud)
    router = await make(cloud, "routers", external_gateway_info={"network_id": public["id"]})
    await interface(cloud, router["id"], subnet_id=subnet["id"])
    port = await make(cloud, "ports", network_id=network["id"])
    group = await make(cloud, "security-groups", name="g")
    rule = await make(cloud, "security-group-rules", security_group_id=group["id"], direction="ingress", protocol="tcp")
    floating = await make(cloud, "floatingips", floating_network_id=public["id"], port_id=port["id"])
    pool = await make(cloud, "subnetpools", name="pool", prefixes=["10.200.0.0/16"])
    return {
        "networks": network["id"],
        "subnets": subnet["id"],
        "routers": router["id"],
        "ports": port["id"],
        "security-groups": group["id"],
        "security-group-rules": rule["id"],
        "floatingips": floating["id"],
        "subnetpools": pool["id"],
    }


async def test_other_projects_see_and_change_nothing(cloud: Any) -> None:
    made = await world(cloud)
    for collection, key in made.items():
        path = f"{V2}/{collection}/{key}"
        noun = collection.replace("-", "_").removesuffix("s")
        assert (await cloud.request("GET", path, as_="other")).status_code == 404, collection
        assert (await cloud.request("DELETE", path, as_="other")).status_code == 404, collection
        if collection != "security-group-rules":
            assert (await cloud.request("PUT", path, as_="other", json={noun: {"description": "x"}})).status_code == 404, collection
            assert (await cloud.request("PUT", f"{path}/tags/x", as_="other")).status_code == 404, collection
            assert (await cloud.request("GET", f"{path}/tags", as_="other")).status_code == 404, collection
        assert key not in [item["id"] for item in await find(cloud, collection, as_="other")]
        assert (await cloud.request("DELETE", path, as_="reader")).status_code == 403, collection
        assert (await cloud.request("GET", path, as_="reader")).status_code == 200, collection
        assert (await cloud.request("GET", path, as_=None)).status_code == 401, collection


async def test_other_projects_cannot_use_what_they_cannot_see(cloud: Any) -> None:
    made = await world(cloud)
    await make(cloud, "ports", "other", status=404, network_id=made["networks"])
    await make(cloud, "subnets", "other", status=404, network_id=made["networks"], cidr="10.7.0.0/24", ip_version=4)
    own, _ = await make_private(cloud, "other")
    await make(cloud, "ports", "other", status=404, network_id=own["id"], security_groups=[made["security-groups"]])
    await make(cloud, "subnets", "other", status=404, network_id=own["id"], subnetpool_id=made["subnetpools"])
    router = await make(cloud, "routers", "other")
    await interface(cloud, router["id"], as_="other", status=404, subnet_id=made["subnets"])
    await interface(cloud, router["id"], as_="other", status=404, port_id=made["ports"])
    await interface(cloud, made["routers"], as_="other", status=404, subnet_id=made["subnets"])
    group = await make(cloud, "security-groups", "other", name="g")
    rule = {"security_group_id": group["id"], "direction": "ingress", "remote_group_id": made["security-groups"]}
    await make(cloud, "security-group-rules", "other", status=404, **rule)
    public = (await find(cloud, "networks", "?router:external=True", as_="other"))[0]
    await make(cloud, "floatingips", "other", status=404, floating_network_id=public["id"], port_id=made["ports"])
    await make(cloud, "ports", "other", status=403, network_id=public["id"])


async def test_admin_attributes_are_hidden_and_refused(cloud: Any) -> None:
    made = await world(cloud)
    network = await show(cloud, "networks", made["networks"])
    assert not [name for name in network if name.startswith("provider:")]
    assert (await show(cloud, "networks", made["networks"], "admin"))["provider:network_type"] == "geneve"
    assert "binding:host_id" not in await show(cloud, "ports", made["ports"])
    assert "binding:host_id" in await show(cloud, "ports", made["ports"], "admin")
    await make(cloud, "networks", status=403, shared=True)
    await make(cloud, "networks", status=403, router__external=True)
    await make(cloud, "networks", status=403, provider__network_type="vlan")
    await make(cloud, "networks", status=403, project_id=cloud.projects["other"])
    await make(cloud, "ports", status=403, network_id=made["networks"], binding__host_id="h")
    await change(cloud, "networks", made["networks"], status=403, shared=True)
    await change(cloud, "routers", made["routers"], status=403, external_gateway_info={"network_id": "x", "enable_snat": False})
    assert (await cloud.request("GET", f"{V2}/networks?provider:network_type=geneve")).status_code == 400
    assert await find(cloud, "agents") == []
    assert {agent["agent_type"] for agent in await find(cloud, "agents", as_="admin")} >= {"OVN Controller Gateway agent"}


async def test_the_external_networks_subnets_and_the_service_s_ports_are_hidden(cloud: Any) -> None:
    await world(cloud)
    assert [item["cidr"] for item in await find(cloud, "subnets")] == ["10.0.0.0/24"]
    owners = {port["device_owner"] for port in await find(cloud, "ports")}
    assert owners == {"", "network:distributed", "network:router_interface"}
