"""Ways of a server and a volume that end early or badly: none leaves anything on the host or in the cloud's books."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.real.conftest import PREFIX
from tests.real.host_state import assert_as_before, things
from tests.real.quickstart import Quickstart

pytestmark = [pytest.mark.real, pytest.mark.timeout(600), pytest.mark.usefixtures("leak_check")]


@pytest.fixture
def connection(quickstart: Quickstart) -> Any:
    """The SDK's connection; after the test the cloud must be as it was before."""
    before = things(quickstart)
    yield quickstart.connection
    assert_as_before(quickstart, before)


@pytest.fixture
def request_of(connection: Any) -> dict[str, Any]:
    """A request for a tiny server on the private network."""
    return {
        "flavor_id": connection.compute.find_flavor("tiny").id,
        "image_id": connection.image.find_image("tiny").id,
        "networks": [{"uuid": connection.network.find_network("private").id}],
    }


def gone(connection: Any, server: Any) -> None:
    connection.compute.wait_for_delete(server, wait=120)


def test_server_deleted_while_it_is_built(connection: Any, request_of: dict[str, Any]) -> None:
    for pause_seconds in (0, 0.3, 1.0, 2.0):
        server = connection.compute.create_server(name=PREFIX + "early", **request_of)
        time.sleep(pause_seconds)
        connection.compute.delete_server(server.id)
        gone(connection, server)


def test_server_that_cannot_be_placed(connection: Any, request_of: dict[str, Any]) -> None:
    # No quota counts an instance's own disk, so that it is the scheduler who finds no room.
    flavor = connection.compute.create_flavor(name=PREFIX + "huge", ram=128, vcpus=1, disk=10**6)
    try:
        server = connection.compute.create_server(name=PREFIX + "huge", **{**request_of, "flavor_id": flavor.id})
        with pytest.raises(Exception, match="ERROR"):
            connection.compute.wait_for_server(server, wait=120)
        fault = connection.compute.get_server(server.id).fault
        assert fault["message"]
        connection.compute.delete_server(server.id)
        gone(connection, server)
    finally:
        connection.compute.delete_flavor(flavor.id)


def test_server_deleted_with_a_volume_attached(connection: Any, request_of: dict[str, Any]) -> None:
    volume = connection.block_storage.create_volume(name=PREFIX + "data", size=1)
    connection.block_storage.wait_for_status(volume, "available", wait=120)
    server = connection.compute.create_server(name=PREFIX + "holder", **request_of)
    server = connection.compute.wait_for_server(server, wait=120)
    connection.compute.create_volume_attachment(server.id, volume.id)
    connection.block_storage.wait_for_status(volume, "in-use", wait=120)
    connection.compute.delete_server(server.id)
    gone(connection, server)
    volume = connection.block_storage.wait_for_status(connection.block_storage.get_volume(volume.id), "available", wait=120)
    assert volume.attachments == []
    connection.block_storage.delete_volume(volume.id)
    connection.block_storage.wait_for_delete(volume, wait=120)


def test_boot_volume_that_goes_with_its_server(connection: Any, request_of: dict[str, Any]) -> None:
    image_id = request_of.pop("image_id")
    device = {
        "boot_index": 0,
        "source_type": "image",
        "uuid": image_id,
        "destination_type": "volume",
        "volume_size": 1,
        "delete_on_termination": True,
    }
    server = connection.compute.create_server(name=PREFIX + "passing", block_device_mapping=[device], **request_of)
    server = connection.compute.wait_for_server(server, wait=120)
    connection.compute.delete_server(server.id)
    gone(connection, server)


def test_interface_added_and_removed(connection: Any, request_of: dict[str, Any]) -> None:
    server = connection.compute.create_server(name=PREFIX + "nics", **request_of)
    server = connection.compute.wait_for_server(server, wait=120)
    added = connection.compute.create_server_interface(server.id, net_id=request_of["networks"][0]["uuid"])
    assert len(list(connection.compute.server_interfaces(server.id))) == 2
    connection.compute.delete_server_interface(added.port_id, server=server.id)
    deadline = time.monotonic() + 30
    while len(list(connection.compute.server_interfaces(server.id))) != 1:
        assert time.monotonic() < deadline, "the interface is still there"
        time.sleep(0.5)
    connection.compute.delete_server(server.id)
    gone(connection, server)
