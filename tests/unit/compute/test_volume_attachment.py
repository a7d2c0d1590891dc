"""Volumes and NICs plugged into servers, and servers that boot from volumes."""

from __future__ import annotations

from typing import Any

import pytest

from cloudd.compute.drivers.base import DriverError
from tests.unit.compute.conftest import Compute


async def make_volume(compute: Compute, **body: Any) -> str:
    answer = await compute.cloud.request("POST", "/volume/v3/volumes", json={"volume": {"size": 1, **body}})
    assert answer.status_code == 202, answer.text
    await compute.cloud.settle()
    return str(answer.json()["volume"]["id"])


async def volume(compute: Compute, volume_id: str) -> dict[str, Any]:
    answer = await compute.cloud.request("GET", f"/volume/v3/volumes/{volume_id}")
    return dict(answer.json().get("volume", {"status": "gone"}))


@pytest.mark.both_databases
async def test_attach_and_detach(compute: Compute) -> None:
    server_id, volume_id = (await compute.make_server())["id"], await make_volume(compute)
    path = f"/servers/{server_id}/os-volume_attachments"
    made = (await compute.call("POST", path, {"volumeAttachment": {"volumeId": volume_id}}, status=200))["volumeAttachment"]
    assert (made["device"], made["volumeId"], made["id"]) == ("/dev/vdb", volume_id, volume_id)
    await compute.cloud.settle()
    assert (await volume(compute, volume_id))["attachments"][0]["server_id"] == server_id
    assert compute.driver.domain_by_id[server_id].volumes == [volume_id]
    listed = (await compute.call("GET", path))["volumeAttachments"]
    for key in (volume_id, listed[0]["attachment_id"]):
        assert (await compute.call("GET", f"{path}/{key}"))["volumeAttachment"]["volumeId"] == volume_id
    await compute.call("POST", path, {"volumeAttachment": {"volumeId": volume_id}}, status=400)
    await compute.call("GET", path, as_="other", status=404)
    await compute.call("DELETE", f"{path}/{volume_id}", status=202)
    await compute.cloud.settle()
    assert (await volume(compute, volume_id))["status"] == "available"
    assert compute.driver.domain_by_id[server_id].volumes == []
    assert (await compute.call("GET", path))["volumeAttachments"] == []


async def test_a_failed_attach_gives_the_volume_back(compute: Compute) -> None:
    server_id, volume_id = (await compute.make_server())["id"], await make_volume(compute)
    compute.driver.fail_next("attach_disk", DriverError("broken", "No slot is free."))
    await compute.call("POST", f"/servers/{server_id}/os-volume_attachments", {"volumeAttachment": {"volumeId": volume_id}}, status=200)
    await compute.cloud.settle()
    assert (await volume(compute, volume_id))["status"] == "available"
    assert (await compute.show(server_id))["status"] == "ACTIVE"
    assert (await compute.call("GET", f"/servers/{server_id}/os-volume_attachments"))["volumeAttachments"] == []
    (action, *_) = (await compute.call("GET", f"/servers/{server_id}/os-instance-actions"))["instanceActions"]
    assert (action["action"], action["message"]) == ("attach_volume", "Error")


async def test_a_guest_sees_its_volume_grow(compute: Compute) -> None:
    server_id, volume_id = (await compute.make_server())["id"], await make_volume(compute)
    await compute.call("POST", f"/servers/{server_id}/os-volume_attachments", {"volumeAttachment": {"volumeId": volume_id}})
    await compute.cloud.settle()
    path, version = f"/volume/v3/volumes/{volume_id}/action", {"OpenStack-API-Version": "volume 3.42"}
    for size_gib in (2, 3):
        # The volume has grown even where the host fails; the guest learns of it with the next time, or its next start.
        if size_gib == 2:
            compute.driver.fail_next("extend_disk", DriverError("busy", "The guest is slow."))
        body = {"os-extend": {"new_size": size_gib}}
        assert (await compute.cloud.request("POST", path, headers=version, json=body)).status_code == 202
        await compute.cloud.settle()
        assert (await volume(compute, volume_id))["size"] == size_gib
    (disk,) = (disk for disk in compute.driver.domain_by_id[server_id].spec.disks if disk.volume_id == volume_id)
    assert disk.size_gib == 3
    assert (await volume(compute, volume_id))["status"] == "in-use"


async def test_boot_from_a_new_volume_that_goes_with_the_server(compute: Compute) -> None:
    root = {
        "source_type": "image", "destination_type": "volume", "uuid": compute.image_id, "boot_index": 0, "volume_size": 1,
        "delete_on_termination": True,
    }  # fmt: skip
    server = await compute.make_server(imageRef="", block_device_mapping_v2=[root])
    assert (server["status"], server["image"]) == ("ACTIVE", "")
    volume_id = server["os-extended-volumes:volumes_attached"][0]["id"]
    assert (await volume(compute, volume_id))["status"] == "in-use"
    await compute.call("DELETE", f"/servers/{server['id']}", status=204)
    await compute.cloud.settle()
    assert (await volume(compute, volume_id))["status"] == "gone"


async def test_a_server_gives_its_volumes_back_when_it_goes(compute: Compute) -> None:
    server_id, volume_id = (await compute.make_server())["id"], await make_volume(compute)
    await compute.call("POST", f"/servers/{server_id}/os-volume_attachments", {"volumeAttachment": {"volumeId": volume_id}})
    await compute.cloud.settle()
    await compute.call("DELETE", f"/servers/{server_id}", status=204)
    await compute.cloud.settle()
    assert (await volume(compute, volume_id))["status"] == "available"


async def test_interfaces(compute: Compute) -> None:
    server_id = (await compute.make_server())["id"]
    path = f"/servers/{server_id}/os-interface"
    made = (await compute.call("POST", path, {"interfaceAttachment": {"net_id": compute.network_id}}, status=200))["interfaceAttachment"]
    assert made["net_id"] == compute.network_id
    assert made["fixed_ips"][0]["ip_address"].startswith("10.1.0.")
    assert made["port_id"] in compute.driver.domain_by_id[server_id].ports
    assert len((await compute.call("GET", path))["interfaceAttachments"]) == 2
    await compute.call("DELETE", f"{path}/{made['port_id']}", status=202)
    await compute.cloud.settle()
    await compute.call("GET", f"{path}/{made['port_id']}", status=404)
    assert made["port_id"] not in compute.driver.domain_by_id[server_id].ports
