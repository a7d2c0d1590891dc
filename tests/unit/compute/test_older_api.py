"""What compute still answers for clients of older versions: other services' things, and the API of before microversions."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.unit.compute.conftest import Compute

pytestmark = pytest.mark.services("identity", "image", "placement", "network", "compute")
OLD = "2.35"


async def test_every_listed_version_has_its_document_and_the_old_path_its_api(compute: Compute) -> None:
    listed = (await compute.cloud.request("GET", "/compute/", as_=None)).json()["versions"]
    for version in listed:
        (link,) = [link for link in version["links"] if link["rel"] == "self"]
        document = (await compute.cloud.request("GET", link["href"].removeprefix("http://cloud"), as_=None)).json()["version"]
        assert link in document["links"]
        assert document["id"] == version["id"]
    server = await compute.make_server()
    latest = {"OpenStack-API-Version": "compute 2.96"}
    answer = await compute.cloud.request("GET", f"/compute/v2/servers/{server['id']}", headers=latest)
    assert answer.json()["server"]["name"] == "first"
    assert "tags" not in answer.json()["server"]
    assert answer.headers["OpenStack-API-Version"] == "compute 2.1"
    assert (await compute.cloud.request("GET", "/compute/v2/servers", as_=None)).status_code == 401


async def test_a_change_tells_plain_addresses_until_the_whole_server_is_told(compute: Compute) -> None:
    server = await compute.make_server()
    for version, names in (("2.1", {"addr", "version"}), ("2.75", {"addr", "version", "OS-EXT-IPS:type", "OS-EXT-IPS-MAC:mac_addr"})):
        changed = await compute.call("PUT", f"/servers/{server['id']}", {"server": {"name": "other"}}, version=version)
        assert {name for entry in changed["server"]["addresses"]["private"] for name in entry} == names


async def test_images_through_compute(compute: Compute) -> None:
    image = (await compute.call("GET", f"/images/{compute.image_id}", version=OLD))["image"]
    assert (image["status"], image["progress"], image["OS-EXT-IMG-SIZE:size"]) == ("ACTIVE", 100, 1 << 20)
    server = await compute.make_server()
    await compute.act(server["id"], "createImage", {"name": "snap", "metadata": {"k": "v"}})
    for query, names in (
        ("", {"image", "snap"}), ("?name=snap", {"snap"}), (f"?server={server['id']}", {"snap"}), ("?status=SAVING", set()),
        ("?type=snapshot&status=ACTIVE", {"snap"}), ("?minRam=1&limit=1", set()), ("?limit=1", {"snap"}),
    ):  # fmt: skip
        for path in ("/images", "/images/detail"):
            assert {found["name"] for found in (await compute.call("GET", path + query, version=OLD))["images"]} == names, query
    (snapshot,) = (await compute.call("GET", "/images/detail?name=snap", version=OLD))["images"]
    assert snapshot["server"]["id"] == server["id"]
    assert (await compute.call("GET", f"/images/{snapshot['id']}/metadata", version="2.38"))["metadata"]["k"] == "v"
    await compute.call("GET", f"/images/{snapshot['id']}", version=OLD, as_="other", status=404)
    await compute.call("GET", f"/images/{snapshot['id']}", version="2.36", status=404)
    await compute.call("DELETE", f"/images/{snapshot['id']}", version=OLD, status=204)
    await compute.call("DELETE", f"/images/{snapshot['id']}", version=OLD, status=404)
    await compute.call("DELETE", f"/images/{compute.image_id}", version=OLD, status=403)


async def test_security_groups_through_compute(compute: Compute) -> None:
    body = {"security_group": {"name": "web", "description": "of old"}}
    group = (await compute.call("POST", "/os-security-groups", body, version=OLD, status=200))["security_group"]
    assert group["rules"] == []
    rule = {"parent_group_id": group["id"], "ip_protocol": "tcp", "from_port": 22, "to_port": "22"}
    made = (await compute.call("POST", "/os-security-group-rules", {"security_group_rule": rule}, version=OLD))["security_group_rule"]
    assert (made["from_port"], made["to_port"], made["ip_range"], made["group"]) == (22, 22, {"cidr": "0.0.0.0/0"}, {})
    await compute.call("POST", "/os-security-group-rules", {"security_group_rule": rule}, version=OLD, status=400)
    ping = {"parent_group_id": group["id"], "ip_protocol": "icmp", "from_port": -1, "to_port": -1, "group_id": group["id"]}
    made = (await compute.call("POST", "/os-security-group-rules", {"security_group_rule": ping}, version=OLD))["security_group_rule"]
    assert (made["from_port"], made["to_port"], made["ip_range"], made["group"]["name"]) == (-1, -1, {}, "web")
    shown = (await compute.call("GET", f"/os-security-groups/{group['id']}", version=OLD))["security_group"]
    assert len(shown["rules"]) == 2
    assert shown in (await compute.call("GET", "/os-security-groups", version=OLD))["security_groups"]
    await compute.call("DELETE", f"/os-security-group-rules/{made['id']}", version=OLD, status=202)
    await compute.call("DELETE", f"/os-security-group-rules/{made['id']}", version=OLD, status=404)
    body["security_group"]["name"] = "shop"
    assert (await compute.call("PUT", f"/os-security-groups/{group['id']}", body, version=OLD))["security_group"]["name"] == "shop"


async def test_security_groups_through_compute_are_the_projects_own(compute: Compute) -> None:
    body = {"security_group": {"name": "web", "description": None}}
    group = (await compute.call("POST", "/os-security-groups", body, version=OLD))["security_group"]["id"]
    await compute.call("GET", f"/os-security-groups/{group}", version=OLD, as_="other", status=404)
    await compute.call("DELETE", f"/os-security-groups/{group}", version=OLD, as_="other", status=404)
    await compute.call("GET", "/os-security-groups/7", version=OLD, status=400)
    await compute.call("GET", f"/os-security-groups/{uuid4()}", version=OLD, status=404)
    await compute.call("GET", "/os-security-groups", version="2.36", status=404)
    server = await compute.make_server(security_groups=[{"name": "web"}])
    await compute.call("DELETE", f"/os-security-groups/{group}", version=OLD, status=400)
    await compute.call("DELETE", f"/servers/{server['id']}", status=204)
    await compute.cloud.settle()
    await compute.call("DELETE", f"/os-security-groups/{group}", version=OLD, status=202)


async def test_fixed_addresses_come_and_go(compute: Compute) -> None:
    server = (await compute.make_server())["id"]

    async def addresses() -> list[str]:
        (nic,) = (await compute.call("GET", f"/servers/{server}/os-interface"))["interfaceAttachments"]
        return [fixed["ip_address"] for fixed in nic["fixed_ips"]]

    async def act(act: str, body: dict[str, str], status: int = 202, as_: str = "demo", version: str = "2.43") -> None:
        await compute.call("POST", f"/servers/{server}/action", {act: body}, status=status, as_=as_, version=version)

    first = await addresses()
    await act("addFixedIp", {"networkId": compute.network_id})
    both = await addresses()
    assert (both[:1], len(set(both))) == (first, 2)
    await act("removeFixedIp", {"address": first[0]})
    assert await addresses() == both[1:]
    await act("removeFixedIp", {"address": first[0]}, status=400)
    await act("addFixedIp", {"networkId": str(uuid4())}, status=400)
    await act("addFixedIp", {"networkId": compute.network_id}, status=404, as_="other")
    await act("addFixedIp", {"networkId": compute.network_id}, status=404, version="2.44")
