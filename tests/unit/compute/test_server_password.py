"""The password that a guest deposits at the metadata service, for the owner of its key."""

from __future__ import annotations

import pytest

from cloudd.network.messages import METADATA, MetadataReply, MetadataRequest
from tests.unit.compute.conftest import Compute

pytestmark = pytest.mark.services("identity", "image", "placement", "network", "compute")


async def test_a_guest_deposits_its_password_once(compute: Compute) -> None:
    server = await compute.make_server()
    address = server["addresses"]["private"][0]["addr"]
    path = f"/servers/{server['id']}/os-server-password"

    async def ask(method: str, body: bytes = b"", where: str = "/openstack/latest/password") -> MetadataReply:
        request = MetadataRequest(network_id=compute.network_id, address=address, method=method, path=where, body=body)
        reply: MetadataReply = await compute.cloud.cloud.bus.call(METADATA, request)
        return reply

    assert "password" in (await ask("GET", where="/openstack/latest")).body.decode().split("\n")
    assert ((await ask("GET")).body, await compute.call("GET", path)) == (b"", {"password": ""})
    assert (await ask("POST", b"x" * 1021)).status == 400
    assert (await ask("POST", b"sealed")).status == 200
    assert (await ask("POST", b"again")).status == 409
    assert ((await ask("GET")).body, await compute.call("GET", path)) == (b"sealed", {"password": "sealed"})
    await compute.call("GET", path, as_="other", status=404)
    await compute.call("DELETE", path, status=204)
    assert await compute.call("GET", path) == {"password": ""}
    assert (await ask("POST", b"again")).status == 200
