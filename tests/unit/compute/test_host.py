"""Hosts as operators see them: services, hypervisors, aggregates, zones, server groups."""

from __future__ import annotations

import pytest

from tests.unit.compute.conftest import Compute


async def test_an_aggregate_makes_a_zone(compute: Compute) -> None:
    made = await compute.call("POST", "/os-aggregates", {"aggregate": {"name": "racks", "availability_zone": "z1"}}, as_="admin")
    path = f"/os-aggregates/{made['aggregate']['id']}"
    await compute.call("POST", "/os-aggregates", {"aggregate": {"name": "racks"}}, as_="admin", status=409)
    await compute.call("POST", f"{path}/action", {"add_host": {"host": "absent"}}, as_="admin", status=404)
    await compute.call("POST", f"{path}/action", {"add_host": {"host": "testhost"}}, as_="admin")
    zones = (await compute.call("GET", "/os-availability-zone"))["availabilityZoneInfo"]
    assert zones == [{"zoneName": "z1", "zoneState": {"available": True}, "hosts": None}]
    server = await compute.make_server(availability_zone="z1")
    assert (server["OS-EXT-AZ:availability_zone"], server["pinned_availability_zone"]) == ("z1", "z1")
    await compute.call("DELETE", path, as_="admin", status=409)
    answer = await compute.call("POST", f"{path}/action", {"set_metadata": {"metadata": {"fast": "yes"}}}, as_="admin")
    assert answer["aggregate"]["metadata"] == {"availability_zone": "z1", "fast": "yes"}
    await compute.call("POST", f"{path}/action", {"remove_host": {"host": "testhost"}}, as_="admin")
    await compute.call("DELETE", path, as_="admin")
    await compute.call("GET", "/os-aggregates", status=403)


async def test_a_disabled_host_takes_no_servers(compute: Compute) -> None:
    (service,) = (await compute.call("GET", "/os-services", as_="admin"))["services"]
    assert (service["state"], service["status"]) == ("up", "enabled")
    body = {"status": "disabled", "disabled_reason": "repair"}
    answer = await compute.call("PUT", f"/os-services/{service['id']}", body, as_="admin")
    assert answer["service"]["disabled_reason"] == "repair"
    server = await compute.make_server()
    assert server["status"] == "ERROR"
    assert server["fault"]["message"].startswith("No valid host was found.")
    await compute.call("PUT", f"/os-services/{service['id']}", {"status": "enabled"}, as_="admin")
    assert (await compute.make_server())["status"] == "ACTIVE"
    (hypervisor,) = (await compute.call("GET", "/os-hypervisors/detail", as_="admin", version="2.53"))["hypervisors"]
    assert (hypervisor["hypervisor_type"], hypervisor["running_vms"]) == ("fake", 1)


async def test_anti_affinity_needs_a_second_host(compute: Compute) -> None:
    group = (await compute.call("POST", "/os-server-groups", {"server_group": {"name": "apart", "policy": "anti-affinity"}}))[
        "server_group"
    ]
    wanted = {"name": "a", "imageRef": compute.image_id, "flavorRef": "1", "networks": "none"}
    for expected in ("ACTIVE", "ERROR"):
        body = {"server": wanted, "os:scheduler_hints": {"group": group["id"]}}
        server_id = (await compute.call("POST", "/servers", body))["server"]["id"]
        await compute.cloud.settle()
        assert (await compute.show(server_id))["status"] == expected
    members = (await compute.call("GET", f"/os-server-groups/{group['id']}"))["server_group"]["members"]
    assert len(members) == 2
    await compute.call("GET", f"/os-server-groups/{group['id']}", as_="other", status=404)


@pytest.mark.both_databases
async def test_keypairs(compute: Compute) -> None:
    made = (await compute.call("POST", "/os-keypairs", {"keypair": {"name": "k", "type": "x509"}}, status=201, version="2.2"))["keypair"]
    assert "BEGIN CERTIFICATE" in made["public_key"]
    assert "PRIVATE KEY" in made["private_key"]
    await compute.call("POST", "/os-keypairs", {"keypair": {"name": "k"}}, status=409, version="2.1")
    old = (await compute.call("POST", "/os-keypairs", {"keypair": {"name": "old"}}, status=200, version="2.1"))["keypair"]
    assert old["public_key"].startswith("ssh-rsa ")
    imported = {"name": "mine", "public_key": old["public_key"]}
    assert (await compute.call("POST", "/os-keypairs", {"keypair": imported}))["keypair"]["fingerprint"] == old["fingerprint"]
    await compute.call("POST", "/os-keypairs", {"keypair": {"name": "bad", "public_key": "ssh-rsa nonsense"}}, status=400)
    assert [entry["keypair"]["name"] for entry in (await compute.call("GET", "/os-keypairs"))["keypairs"]] == ["k", "mine", "old"]
    assert (await compute.call("GET", "/os-keypairs", as_="other"))["keypairs"] == []
    await compute.call("DELETE", "/os-keypairs/k", status=204)
    await compute.call("DELETE", "/os-keypairs/old", status=202, version="2.1")
    server = await compute.make_server(key_name="mine", config_drive=True)
    drive = compute.driver.domain_by_id[server["id"]].spec.config_drive
    assert old["public_key"].strip().encode() in drive["openstack/latest/meta_data.json"]


async def test_private_flavors(compute: Compute) -> None:
    sizes = {"name": "hidden", "ram": 64, "vcpus": 1, "disk": 1, "os-flavor-access:is_public": False}
    flavor_id = (await compute.call("POST", "/flavors", {"flavor": sizes}, as_="admin"))["flavor"]["id"]
    await compute.call("GET", f"/flavors/{flavor_id}", status=404)
    project = compute.cloud.projects["demo"]
    await compute.call("POST", f"/flavors/{flavor_id}/action", {"addTenantAccess": {"tenant": project}}, as_="admin")
    assert (await compute.call("GET", f"/flavors/{flavor_id}"))["flavor"]["name"] == "hidden"
    await compute.call("PUT", f"/flavors/{flavor_id}/os-extra_specs/a:b", {"a:b": "c"}, as_="admin")
    assert (await compute.call("GET", f"/flavors/{flavor_id}"))["flavor"]["extra_specs"] == {"a:b": "c"}
    await compute.call("POST", "/flavors", {"flavor": sizes}, as_="admin", status=409)
    await compute.call("POST", "/flavors", {"flavor": sizes}, status=403)
    await compute.call("DELETE", f"/flavors/{flavor_id}", as_="admin")
