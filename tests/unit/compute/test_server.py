"""A server's life through the API, on the fake hypervisor."""

from __future__ import annotations

import asyncio

import pytest

from cloudd.compute.drivers.base import DriverError, PowerState
from tests.unit.compute.conftest import Compute

pytestmark = pytest.mark.services("identity", "image", "placement", "network", "compute")


@pytest.mark.both_databases
async def test_create_show_delete(compute: Compute) -> None:
    server = await compute.make_server(metadata={"role": "web"}, tags=["one"], user_data="IyEvYmluL3No", config_drive=True)
    assert server["status"] == "ACTIVE"
    assert server["OS-EXT-STS:task_state"] is None
    assert server["metadata"] == {"role": "web"}
    assert server["tags"] == ["one"]
    (address,) = server["addresses"]["private"]
    assert address["OS-EXT-IPS:type"] == "fixed"
    assert server["security_groups"] == [{"name": "default"}]
    domain = compute.driver.domain_by_id[server["id"]]
    assert domain.power_state is PowerState.RUNNING
    assert domain.spec.interfaces[0].mac_address == address["OS-EXT-IPS-MAC:mac_addr"]
    assert domain.spec.config_drive["openstack/latest/user_data"] == b"#!/bin/sh"
    await compute.call("DELETE", f"/servers/{server['id']}", status=204)
    await compute.cloud.settle()
    await compute.call("GET", f"/servers/{server['id']}", status=404)
    assert compute.driver.domain_by_id == {}
    ports = (await compute.cloud.request("GET", f"/network/v2.0/ports?device_id={server['id']}", as_="admin")).json()["ports"]
    assert ports == []
    limits = (await compute.call("GET", "/limits"))["limits"]["absolute"]
    assert limits["totalInstancesUsed"] == 0


async def test_a_server_of_another_project_is_not_there(compute: Compute) -> None:
    server = await compute.make_server()
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"server": {"name": "mine"}}),
        ("DELETE", "", None),
        ("POST", "/action", {"os-stop": None}),
        ("GET", "/metadata", None),
        ("GET", "/os-interface", None),
        ("GET", "/os-volume_attachments", None),
        ("GET", "/os-instance-actions", None),
    ):
        await compute.call(method, f"/servers/{server['id']}{path}", body, status=404, as_="other")
    assert (await compute.call("GET", "/servers", as_="other"))["servers"] == []


async def test_stop_start_reboot_and_what_is_refused(compute: Compute) -> None:
    server_id = (await compute.make_server())["id"]
    await compute.act(server_id, "os-start", status=409)
    await compute.act(server_id, "os-stop")
    stopped = await compute.show(server_id)
    assert (stopped["status"], stopped["OS-EXT-STS:power_state"]) == ("SHUTOFF", 4)
    assert "progress" not in stopped
    await compute.act(server_id, "os-start")
    await compute.act(server_id, "reboot", {"type": "SOFT"})
    await compute.act(server_id, "reboot", {"type": "HARD"})
    assert (await compute.show(server_id))["status"] == "ACTIVE"
    assert compute.driver.domain_by_id[server_id].boots == 4
    await compute.act(server_id, "reboot", {"type": "GENTLE"}, status=400)
    for act, back, status in (("pause", "unpause", "PAUSED"), ("suspend", "resume", "SUSPENDED")):
        await compute.act(server_id, act)
        assert (await compute.show(server_id))["status"] == status
        await compute.act(server_id, back)
    actions = (await compute.call("GET", f"/servers/{server_id}/os-instance-actions"))["instanceActions"]
    assert [action["action"] for action in actions][::-1][:5] == ["create", "stop", "start", "reboot", "reboot"]
    first = (await compute.call("GET", f"/servers/{server_id}/os-instance-actions/{actions[-1]['request_id']}"))["instanceAction"]
    assert first["events"][0]["result"] == "Success"


async def test_a_locked_server_is_left_alone(compute: Compute) -> None:
    server_id = (await compute.make_server())["id"]
    await compute.act(server_id, "lock", {"locked_reason": "mine"})
    assert (await compute.show(server_id))["locked_reason"] == "mine"
    await compute.act(server_id, "os-stop", status=409)
    await compute.act(server_id, "unlock")
    await compute.act(server_id, "os-stop")


async def test_console_output(compute: Compute) -> None:
    server_id = (await compute.make_server())["id"]
    everything = (await compute.act(server_id, "os-getConsoleOutput", {}, status=200))["output"]
    assert everything.splitlines()[-1] == "login:"
    assert (await compute.act(server_id, "os-getConsoleOutput", {"length": 1}, status=200))["output"] == "login:\n"


async def test_diagnostics_are_an_administrators_and_of_a_server_that_runs(compute: Compute) -> None:
    server = await compute.make_server()
    path = f"/servers/{server['id']}/diagnostics"
    await compute.call("GET", path, status=403)
    shown = await compute.call("GET", path, as_="admin")
    assert (shown["state"], shown["num_cpus"], shown["num_disks"], shown["num_nics"]) == ("running", 1, 1, 1)
    assert shown["memory_details"] == {"maximum": 128, "used": 128}
    (nic,) = shown["nic_details"]
    assert nic["mac_address"] == server["addresses"]["private"][0]["OS-EXT-IPS-MAC:mac_addr"]
    older = await compute.call("GET", path, version="2.47", as_="admin")
    assert older["memory"] == 128 << 10
    assert older["vda_read"] == shown["disk_details"][0]["read_bytes"]
    assert older["cpu0_time"] == shown["cpu_details"][0]["time"]
    await compute.act(server["id"], "os-stop")
    answer = await compute.call("GET", path, status=409, as_="admin")
    assert "get_diagnostics" in answer["conflictingRequest"]["message"]
    await compute.call("GET", "/servers/none/diagnostics", status=404, as_="admin")


async def test_a_failed_build_leaves_an_error_that_can_be_read_and_nothing_else(compute: Compute) -> None:
    compute.driver.fail_next("build", DriverError("broken", "The disk is full."))
    server = await compute.make_server()
    assert server["status"] == "ERROR"
    assert server["fault"]["message"] == "The disk is full."
    assert compute.driver.domain_by_id == {}
    ports = (await compute.cloud.request("GET", f"/network/v2.0/ports?device_id={server['id']}", as_="admin")).json()["ports"]
    assert ports == []
    await compute.call("DELETE", f"/servers/{server['id']}", status=204)
    await compute.cloud.settle()
    await compute.call("GET", f"/servers/{server['id']}", status=404)


BAD_CHANGES: list[dict[str, object]] = [
    {"name": ""},
    {"name": "  "},
    {"name": "x" * 256},
    {"name": 42},
    {"imageRef": "5b7c4a56"},
    {"imageRef": "5b7c4a56-2a57-4d44-8d0c-2b8b9a7f3f10"},
    {"imageRef": ""},
    {"flavorRef": "99"},
    {"networks": [{"uuid": "a-b-c"}]},
    {"networks": [{"uuid": "5b7c4a56-2a57-4d44-8d0c-2b8b9a7f3f10"}]},
    {"accessIPv4": "1.1.1.1.1.1"},
    {"accessIPv6": "notanip"},
    {"key_name": "absent"},
    {"metadata": {"k": "v" * 256}},
    {"min_count": 3, "max_count": 2},
    {"user_data": "§"},
    {"availability_zone": "nowhere"},
    {"security_groups": [{"name": "absent"}]},
    {"surprise": 1},
    {"block_device_mapping_v2": [{"source_type": "volume", "destination_type": "volume", "boot_index": 0, "uuid": "absent"}]},
]


async def test_bad_requests(compute: Compute) -> None:
    for change in BAD_CHANGES:
        wanted = {"name": "first", "imageRef": compute.image_id, "flavorRef": "1", "networks": [{"uuid": compute.network_id}], **change}
        answer = await compute.call("POST", "/servers", {"server": wanted}, status=400)
        assert answer["badRequest"]["code"] == 400
    assert (await compute.call("GET", "/servers"))["servers"] == []


@pytest.mark.both_databases
async def test_several_at_once_and_quota(compute: Compute) -> None:
    await compute.make_server("many", min_count=2, max_count=3)
    servers = (await compute.call("GET", "/servers/detail?sort_key=display_name&sort_dir=asc"))["servers"]
    assert [server["name"] for server in servers] == ["many-1", "many-2", "many-3"]
    project = compute.cloud.projects["demo"]
    await compute.call("PUT", f"/os-quota-sets/{project}", {"quota_set": {"instances": 4}}, as_="admin")
    body = {"name": "more", "imageRef": compute.image_id, "flavorRef": "1", "networks": "none", "min_count": 2}
    answer = await compute.call("POST", "/servers", {"server": body}, status=403)
    assert "instances" in answer["forbidden"]["message"]


@pytest.mark.both_databases
async def test_one_of_many_creates_gets_the_last_place(compute: Compute) -> None:
    project = compute.cloud.projects["demo"]
    await compute.make_server("there", networks="none")
    await compute.call("PUT", f"/os-quota-sets/{project}", {"quota_set": {"instances": 2}}, as_="admin")
    body = {"server": {"name": "last", "imageRef": compute.image_id, "flavorRef": "1", "networks": "none"}}
    headers = {"OpenStack-API-Version": "compute 2.96"}
    asked = (compute.cloud.request("POST", "/compute/v2.1/servers", json=body, headers=headers) for _ in range(8))
    assert sorted(answer.status_code for answer in await asyncio.gather(*asked)) == [202] + [403] * 7
    await compute.cloud.settle()
    assert len((await compute.call("GET", "/servers"))["servers"]) == 2


@pytest.mark.both_databases
async def test_list_filters_and_pages(compute: Compute) -> None:
    first, second = await compute.make_server("first"), await compute.make_server("second", flavorRef="2")
    await compute.act(second["id"], "os-stop")

    async def ids(query: str) -> list[str]:
        return [server["id"] for server in (await compute.call("GET", f"/servers?{query}"))["servers"]]

    assert await ids("name=fir") == [first["id"]]
    assert await ids("status=active") == [first["id"]]
    assert await ids("status=SHUTOFF") == [second["id"]]
    assert await ids("flavor=2") == [second["id"]]
    assert await ids(f"image={compute.image_id}") == [second["id"], first["id"]]
    assert await ids("image=absent") == []
    address = first["addresses"]["private"][0]["addr"]
    assert await ids(f"ip={address}") == [first["id"]]
    assert await ids("changes-since=2099-01-01T00:00:00Z") == []
    page = await compute.call("GET", "/servers?limit=1")
    assert [server["id"] for server in page["servers"]] == [second["id"]]
    rest = page["servers_links"][0]["href"].partition("/v2.1")[2]
    assert [server["id"] for server in (await compute.call("GET", rest))["servers"]] == [first["id"]]
    for bad in ("limit=-1", "limit=x", "changes-since=yesterday", "status=odd", "marker=absent", "name=("):
        await compute.call("GET", f"/servers?{bad}", status=400)


@pytest.mark.both_databases
async def test_metadata_and_tags(compute: Compute) -> None:
    path = f"/servers/{(await compute.make_server(metadata={'a': '1'}))['id']}"
    assert (await compute.call("POST", f"{path}/metadata", {"metadata": {"b": "2"}}))["metadata"] == {"a": "1", "b": "2"}
    assert (await compute.call("PUT", f"{path}/metadata/a", {"meta": {"a": "3"}}))["meta"] == {"a": "3"}
    await compute.call("DELETE", f"{path}/metadata/a", status=204)
    await compute.call("GET", f"{path}/metadata/a", status=404)
    await compute.call("PUT", f"{path}/tags/red", status=201)
    await compute.call("PUT", f"{path}/tags/red", status=204)
    assert (await compute.call("GET", f"{path}/tags"))["tags"] == ["red"]
    for tag, found in (("red", 1), ("Red", 0), ("re", 0)):
        assert len((await compute.call("GET", f"/servers?tags={tag}"))["servers"]) == found
    await compute.call("GET", f"{path}/tags", status=404, version="2.25")


async def test_resize_confirm_and_revert(compute: Compute) -> None:
    server_id = (await compute.make_server())["id"]
    await compute.act(server_id, "resize", {"flavorRef": "absent"}, status=400)
    await compute.act(server_id, "resize", {"flavorRef": "2"})
    assert (await compute.show(server_id))["status"] == "VERIFY_RESIZE"
    await compute.act(server_id, "revertResize")
    back = await compute.show(server_id)
    assert (back["status"], back["flavor"]["ram"]) == ("ACTIVE", 128)
    await compute.act(server_id, "resize", {"flavorRef": "2"})
    await compute.act(server_id, "confirmResize", status=204)
    assert (await compute.show(server_id))["flavor"]["ram"] == 512
    assert compute.driver.domain_by_id[server_id].spec.memory_mib == 512
    assert (await compute.call("GET", "/limits"))["limits"]["absolute"]["totalRAMUsed"] == 512


async def test_rebuild_keeps_the_address(compute: Compute) -> None:
    server = await compute.make_server()
    body = {"imageRef": compute.image_id, "name": "again", "metadata": {"n": "1"}}
    answer = await compute.act(server["id"], "rebuild", body)
    assert answer["server"]["adminPass"]
    after = await compute.show(server["id"])
    assert (after["status"], after["name"], after["addresses"]) == ("ACTIVE", "again", server["addresses"])


async def test_create_image(compute: Compute) -> None:
    server_id = (await compute.make_server())["id"]
    answer = await compute.act(server_id, "createImage", {"name": "snap", "metadata": {"image_type": "mine"}})
    image = (await compute.cloud.request("GET", f"/image/v2/images/{answer['image_id']}")).json()
    assert (image["status"], image["name"], image["image_type"]) == ("active", "snap", "mine")
    assert (await compute.show(server_id))["OS-EXT-STS:task_state"] is None


async def test_versions_change_the_answer(compute: Compute) -> None:
    path = f"/servers/{(await compute.make_server())['id']}"
    old = (await compute.call("GET", path, version="2.1"))["server"]
    assert set(old["flavor"]) == {"id", "links"}
    assert "locked" not in old
    assert "tags" not in old
    assert "description" in (await compute.call("GET", path, version="2.19"))["server"]
    assert "server_groups" in (await compute.call("GET", path, version="2.71"))["server"]
    await compute.call("GET", path, version="2.200", status=406)
    answer = await compute.cloud.request("GET", f"/compute/v2.1{path}", headers={"X-OpenStack-Nova-API-Version": "2.26"})
    assert answer.headers["X-OpenStack-Nova-API-Version"] == "2.26"
