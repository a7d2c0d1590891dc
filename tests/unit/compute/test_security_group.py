"""The security groups of servers, given and taken on all of their ports."""

from __future__ import annotations

import pytest

from tests.unit.compute.conftest import Compute

pytestmark = pytest.mark.services("identity", "image", "placement", "network", "compute")


async def names_on(compute: Compute, server_id: str) -> list[str]:
    """By the list of the server, which its ports and its own view must agree with."""
    listed = (await compute.call("GET", f"/servers/{server_id}/os-security-groups"))["security_groups"]
    names = [group["name"] for group in listed]
    assert names == [group["name"] for group in (await compute.show(server_id)).get("security_groups", [])]
    ports = (await compute.cloud.request("GET", f"/network/v2.0/ports?device_id={server_id}")).json()["ports"]
    for port in ports:
        assert sorted(port["security_groups"]) == sorted(group["id"] for group in listed)
    return names


async def test_groups_are_listed_given_and_taken(compute: Compute) -> None:
    server_id = (await compute.make_server())["id"]
    body = {"security_group": {"name": "web", "description": "of a test"}}
    group = (await compute.cloud.request("POST", "/network/v2.0/security-groups", json=body)).json()["security_group"]
    rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 81}
    await compute.cloud.request("POST", "/network/v2.0/security-group-rules", json={"security_group_rule": rule})
    assert await names_on(compute, server_id) == ["default"]
    for word in ("web", group["id"]):
        await compute.act(server_id, "addSecurityGroup", {"name": word})
        assert await names_on(compute, server_id) == ["default", "web"]
    default, web = (await compute.call("GET", f"/servers/{server_id}/os-security-groups"))["security_groups"]
    (shown,) = web.pop("rules")
    assert web == {"id": group["id"], "name": "web", "description": "of a test", "tenant_id": group["project_id"]}
    assert (shown["ip_protocol"], shown["from_port"], shown["to_port"], shown["group"]) == ("tcp", 80, 81, {})
    assert {rule["group"]["name"] for rule in default["rules"]} == {"default"}
    await compute.act(server_id, "removeSecurityGroup", {"name": "web"})
    assert await names_on(compute, server_id) == ["default"]


async def test_what_is_refused(compute: Compute) -> None:
    server_id = (await compute.make_server())["id"]
    bare_id = (await compute.make_server("bare", networks="none"))["id"]
    await compute.cloud.request("POST", "/network/v2.0/security-groups", json={"security_group": {"name": "web"}})
    await compute.act(server_id, "addSecurityGroup", {"name": "absent"}, status=404)
    await compute.act(server_id, "removeSecurityGroup", {"name": "web"}, status=404)
    await compute.act(server_id, "addSecurityGroup", {"name": ""}, status=400)
    await compute.act(bare_id, "addSecurityGroup", {"name": "web"}, status=400)
    await compute.act(server_id, "addSecurityGroup", {"name": "web"}, status=404, as_="other")
    await compute.call("GET", f"/servers/{server_id}/os-security-groups", status=404, as_="other")
    assert await names_on(compute, server_id) == ["default"]
