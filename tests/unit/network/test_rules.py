"""What the API refuses, and the names of the errors that clients look for."""

import asyncio
from typing import Any

import pytest

from tests.unit.network.steps import V2, change, drop, find, interface, make, make_private, make_public, show

pytestmark = pytest.mark.services("identity", "network")


def pool(start: str) -> list[dict[str, str]]:
    return [{"start": start, "end": start}]


async def test_overlapping_subnets_are_refused_in_the_words_clients_know(cloud: Any) -> None:
    network, _ = await make_private(cloud)
    refused = await make(cloud, "subnets", status=400, network_id=network["id"], cidr="10.0.0.128/25", ip_version=4)
    assert refused["type"] == "InvalidInput"
    assert "overlaps with another subnet" in refused["message"]


BAD_SUBNETS: list[tuple[dict[str, Any], int, str]] = [
    ({"cidr": "10.1.0.0/24", "ip_version": 6}, 400, "InvalidInput"),
    ({"cidr": "nonsense", "ip_version": 4}, 400, "InvalidInput"),
    ({"ip_version": 4}, 400, "BadRequest"),
    ({"cidr": "10.1.0.0/24", "ip_version": 4, "gateway_ip": "10.1.0.255"}, 400, "InvalidInput"),
    ({"cidr": "10.1.0.0/24", "ip_version": 4, "allocation_pools": pool("10.1.0.1")}, 409, "GatewayConflictWithAllocationPools"),
    ({"cidr": "10.1.0.0/24", "ip_version": 4, "allocation_pools": pool("10.2.0.1")}, 400, "InvalidInput"),
    ({"cidr": "10.1.0.0/24", "ip_version": 4, "ipv6_ra_mode": "slaac"}, 400, "InvalidInput"),
    ({"cidr": "fd00::/80", "ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}, 400, "InvalidInput"),
    ({"cidr": "10.1.0.0/24", "ip_version": 4, "dns_nameservers": ["x"]}, 400, "InvalidInput"),
    ({"cidr": "10.1.0.0/24", "ip_version": 4, "nonsense": 1}, 400, "HTTPBadRequest"),
]


async def test_bad_subnets(cloud: Any) -> None:
    network = await make(cloud, "networks")
    for values, status, kind in BAD_SUBNETS:
        refused = await make(cloud, "subnets", status=status, network_id=network["id"], **values)
        assert refused["type"] == kind, values


BAD_RULES: list[tuple[dict[str, Any], int, str]] = [
    ({"protocol": "tcp", "port_range_min": -16, "port_range_max": 80}, 400, "Invalid value for port -16"),
    ({"protocol": "tcp", "port_range_min": 80, "port_range_max": 79}, 400, "port_range_min must be <= port_range_max"),
    ({"protocol": "tcp", "port_range_min": 80, "port_range_max": 65536}, 400, "Invalid value for port 65536"),
    ({"protocol": "icmp", "port_range_min": 1, "port_range_max": 256}, 400, "Invalid value for ICMP code"),
    ({"protocol": "icmp", "port_range_max": 6}, 400, "ICMP type (port-range-min) is missing"),
    ({"protocol": "icmp", "port_range_min": 300, "port_range_max": 1}, 400, "Invalid value for ICMP type"),
    ({"protocol": "bad"}, 400, "not supported"),
    ({"ethertype": "bad"}, 400, "ethertype"),
    ({"remote_ip_prefix": "192.168.1./24"}, 400, "remote_ip_prefix"),
    ({"remote_group_id": "nowhere"}, 404, "nowhere"),
]


async def test_bad_security_group_rules(cloud: Any) -> None:
    group = await make(cloud, "security-groups", name="g")
    for values, status, text in BAD_RULES:
        refused = await make(cloud, "security-group-rules", status=status, security_group_id=group["id"], direction="ingress", **values)
        assert text in refused["message"], values


async def test_a_rule_with_the_same_meaning_is_a_duplicate(cloud: Any) -> None:
    group = await make(cloud, "security-groups", name="g")
    first = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    rule = await make(cloud, "security-group-rules", **first)
    refused = await make(cloud, "security-group-rules", status=409, **(first | {"protocol": "6", "remote_ip_prefix": "0.0.0.0/0"}))
    assert refused["type"] == "SecurityGroupRuleExists"
    assert rule["id"] in refused["message"]


@pytest.mark.both_databases
async def test_the_default_group_is_there_once_and_stays(cloud: Any) -> None:
    await asyncio.gather(*(find(cloud, "security-groups") for _ in range(8)))
    groups = await find(cloud, "security-groups", "?name=default")
    assert len(groups) == 1
    rules = {(rule["direction"], rule["ethertype"], rule["remote_group_id"]) for rule in groups[0]["security_group_rules"]}
    assert rules == {(d, e, groups[0]["id"] if d == "ingress" else None) for d in ("ingress", "egress") for e in ("IPv4", "IPv6")}
    assert (await make(cloud, "security-groups", status=409, name="default"))["type"] == "SecurityGroupDefaultAlreadyExists"
    await drop(cloud, "security-groups", groups[0]["id"], status=409)
    await drop(cloud, "security-groups", groups[0]["id"], as_="admin")


@pytest.mark.both_databases
async def test_ports_made_at_once_get_different_addresses(cloud: Any) -> None:
    network, _ = await make_private(cloud, cidr="10.0.0.0/28")
    ports = await asyncio.gather(*(make(cloud, "ports", network_id=network["id"]) for _ in range(12)))
    assert len({port["fixed_ips"][0]["ip_address"] for port in ports}) == 12
    full = await make(cloud, "ports", status=409, network_id=network["id"])
    assert full["type"] == "IpAddressGenerationFailure"


@pytest.mark.both_databases
async def test_a_quota_holds_when_many_ask_at_once(cloud: Any) -> None:
    project = cloud.projects["demo"]
    answer = await cloud.request("PUT", f"{V2}/quotas/{project}", as_="admin", json={"quota": {"network": 3}})
    assert answer.json()["quota"]["network"] == 3
    answers = await asyncio.gather(*(cloud.request("POST", f"{V2}/networks", json={"network": {}}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["NeutronError"]["type"] == "OverQuota"
    details = (await cloud.request("GET", f"{V2}/quotas/{project}/details.json")).json()["quota"]
    assert details["network"] == {"limit": 3, "used": 3, "reserved": 0}
    assert (await cloud.request("GET", f"{V2}/quotas/{cloud.projects['other']}")).status_code == 403


async def test_bulk_is_all_or_nothing(cloud: Any) -> None:
    network, _ = await make_private(cloud)
    body = {"ports": [{"network_id": network["id"], "name": "a"}, {"network_id": network["id"], "name": "b"}]}
    answer = await cloud.request("POST", f"{V2}/ports", json=body)
    assert [port["name"] for port in answer.json()["ports"]] == ["a", "b"]
    body["ports"][1]["network_id"] = "nowhere"
    assert (await cloud.request("POST", f"{V2}/ports", json=body)).status_code == 404
    assert len(await find(cloud, "ports", "?name=a")) == 1


async def test_router_rules(cloud: Any) -> None:
    public, _ = await make_public(cloud)
    network, subnet = await make_private(cloud)
    router = await make(cloud, "routers", name="r")
    assert (await change(cloud, "routers", router["id"], status=404, external_gateway_info={"network_id": "nowhere"}))[
        "type"
    ] == "NetworkNotFound"
    await change(cloud, "routers", router["id"], status=400, external_gateway_info={"network_id": network["id"]})
    await interface(cloud, router["id"], subnet_id=subnet["id"])
    _, twin = await make_private(cloud)
    await interface(cloud, router["id"], status=400, subnet_id=twin["id"])
    routes = [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]
    assert (await change(cloud, "routers", router["id"], routes=routes))["routes"] == routes
    await change(cloud, "routers", router["id"], status=400, routes=[{"destination": "10.9.0.0/16", "nexthop": "172.16.0.1"}])
    await interface(cloud, router["id"], "remove", status=409, subnet_id=subnet["id"])
    assert (await change(cloud, "routers", router["id"], routes=None))["routes"] == []
    port = await make(cloud, "ports", network_id=network["id"])
    unreachable = await make(cloud, "floatingips", status=404, floating_network_id=public["id"], port_id=port["id"])
    assert unreachable["type"] == "ExternalGatewayForFloatingIPNotFound"


@pytest.mark.both_databases
async def test_lists_filter_sort_page_and_pick_fields(cloud: Any) -> None:
    made = [await make(cloud, "networks", name=f"n{number}") for number in range(5)]
    assert [item["name"] for item in await find(cloud, "networks", "?sort_key=name&sort_dir=desc")] == ["n4", "n3", "n2", "n1", "n0"]
    assert await find(cloud, "networks", "?name=n1&name=n2&fields=name&sort_key=name") == [{"name": "n1"}, {"name": "n2"}]
    answer = (await cloud.request("GET", f"{V2}/networks?limit=2&sort_key=name")).json()
    assert [item["name"] for item in answer["networks"]] == ["n0", "n1"]
    link = answer["networks_links"][0]
    assert link["rel"] == "next"
    following = (await cloud.request("GET", link["href"].removeprefix("http://cloud"))).json()["networks"]
    assert [item["name"] for item in following] == ["n2", "n3"]
    back = await find(cloud, "networks", f"?limit=2&sort_key=name&marker={following[0]['id']}&page_reverse=True")
    assert [item["name"] for item in back] == ["n0", "n1"]
    assert (await cloud.request("GET", f"{V2}/networks?nonsense=1")).status_code == 400
    await cloud.request("PUT", f"{V2}/networks/{made[0]['id']}/tags", json={"tags": ["a", "b"]})
    await cloud.request("PUT", f"{V2}/networks/{made[1]['id']}/tags/b")
    assert len(await find(cloud, "networks", "?tags=a,b")) == 1
    assert len(await find(cloud, "networks", "?tags-any=a,b")) == 2
    assert len(await find(cloud, "networks", "?not-tags=b")) == 3


async def test_a_full_address_pair_and_dhcp_option_round_trip(cloud: Any) -> None:
    network, _ = await make_private(cloud)
    port = await make(
        cloud, "ports", network_id=network["id"], allowed_address_pairs=[{"ip_address": "10.0.0.99"}],
        extra_dhcp_opts=[{"opt_name": "bootfile-name", "opt_value": "pxe.0"}],
    )  # fmt: skip
    assert port["allowed_address_pairs"] == [{"ip_address": "10.0.0.99", "mac_address": port["mac_address"]}]
    after = await change(cloud, "ports", port["id"], extra_dhcp_opts=[{"opt_name": "bootfile-name", "opt_value": None}])
    assert after["extra_dhcp_opts"] == []
    refused = await change(cloud, "ports", port["id"], status=409, port_security_enabled=False)
    assert refused["type"] == "PortSecurityPortHasSecurityGroup"
    after = await change(cloud, "ports", port["id"], port_security_enabled=False, security_groups=[], allowed_address_pairs=[])
    assert after["port_security_enabled"] is False


async def test_shared_networks_serve_others_on_the_owners_terms(cloud: Any) -> None:
    shared = await make(cloud, "networks", "admin", shared=True, name="shared")
    await make(cloud, "subnets", "admin", network_id=shared["id"], cidr="10.5.0.0/24", ip_version=4)
    assert (await show(cloud, "networks", shared["id"]))["subnets"]
    await make(cloud, "ports", network_id=shared["id"])
    await make(cloud, "ports", status=403, network_id=shared["id"], mac_address="fa:16:3e:11:11:11")
    await make(cloud, "subnets", status=404, network_id=shared["id"], cidr="10.6.0.0/24", ip_version=4)
    await change(cloud, "networks", shared["id"], status=403, name="mine")
    await drop(cloud, "networks", shared["id"], status=403)
    refused = await change(cloud, "networks", shared["id"], "admin", status=409, shared=False)
    assert refused["type"] == "InvalidSharedSetting"
