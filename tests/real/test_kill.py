"""cloudd is killed in the middle of its work: afterwards each resource is finished, or in ERROR with a reason, and nothing leaks."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from tests.real.conftest import PREFIX
from tests.real.host_state import assert_as_before, things
from tests.real.quickstart import Quickstart, is_living

pytestmark = [pytest.mark.real, pytest.mark.timeout(600), pytest.mark.usefixtures("leak_check")]

T = TypeVar("T")

UNIT = "cloudd-all"
SETTLE_SECONDS = 120
# Each work is cut once in each of these spans after its request: while it is accepted, in its midst, towards its end.
SPANS_SECONDS = ((0.0, 0.2), (0.2, 0.8), (0.8, 2.0))


@pytest.fixture
def cloud(quickstart: Quickstart) -> Iterator[Quickstart]:
    """The cloud; after the test it must be as it was before."""
    before = things(quickstart)
    yield quickstart
    assert_as_before(quickstart, before, timeout_seconds=SETTLE_SECONDS)


@pytest.fixture(params=SPANS_SECONDS, ids=("early", "amid", "late"))
def pause_seconds(request: pytest.FixtureRequest) -> float:
    """How long after a request cloudd is killed; a failure's traceback shows it."""
    pause: float = random.uniform(*request.param)
    return pause


def test_while_a_server_is_made(cloud: Quickstart, pause_seconds: float) -> None:
    server = ask_server(cloud)
    kill(cloud, pause_seconds)
    settled_server(cloud, server)
    delete_server(cloud, server)


def test_while_a_server_is_deleted(cloud: Quickstart, pause_seconds: float) -> None:
    server = make_server(cloud)
    cloud.connection.compute.delete_server(server.id)
    kill(cloud, pause_seconds)
    delete_server(cloud, server)


def test_while_a_volume_is_attached(cloud: Quickstart, pause_seconds: float) -> None:
    server, volume = make_server(cloud), make_volume(cloud)
    cloud.connection.compute.create_volume_attachment(server.id, volume.id)
    kill(cloud, pause_seconds)
    settled_server(cloud, server)
    assert settled_volume(cloud, volume, server) in {"in-use", "available"}
    delete_server(cloud, server)
    delete_volume(cloud, volume)


def test_while_a_volume_is_detached(cloud: Quickstart, pause_seconds: float) -> None:
    server, volume = make_server(cloud), make_volume(cloud)
    cloud.connection.compute.create_volume_attachment(server.id, volume.id)
    cloud.connection.block_storage.wait_for_status(volume, "in-use", wait=60)
    cloud.connection.compute.delete_volume_attachment(server.id, volume.id)
    kill(cloud, pause_seconds)
    assert settled_server(cloud, server) == "ACTIVE"
    assert settled_volume(cloud, volume, server) in {"in-use", "available"}
    delete_server(cloud, server)
    delete_volume(cloud, volume)


def ask_server(cloud: Quickstart) -> Any:
    connection = cloud.connection
    return connection.compute.create_server(
        name=PREFIX + "kill",
        flavor_id=connection.compute.find_flavor("tiny").id,
        image_id=connection.image.find_image("tiny").id,
        networks=[{"uuid": connection.network.find_network("private").id}],
    )


def make_server(cloud: Quickstart) -> Any:
    return cloud.connection.compute.wait_for_server(ask_server(cloud), wait=120)


def make_volume(cloud: Quickstart) -> Any:
    volume = cloud.connection.block_storage.create_volume(name=PREFIX + "kill", size=1)
    return cloud.connection.block_storage.wait_for_status(volume, "available", wait=60)


def kill(cloud: Quickstart, pause_seconds: float) -> None:
    """End cloudd without a word, then wait until systemd has it back and it gives a token."""
    cloud.on_host(f"sleep {pause_seconds:.3f}; systemctl kill --signal=KILL {UNIT}")
    eventually(lambda: True if is_living() else None, "the API answers again")


def settled_server(cloud: Quickstart, server: Any) -> str:
    """The server's status once nothing goes on with it: ACTIVE, or ERROR with a reason."""

    def look() -> str | None:
        seen = cloud.connection.compute.get_server(server.id)
        if seen.task_state is not None or seen.status not in {"ACTIVE", "ERROR"}:
            return None
        assert seen.status == "ACTIVE" or seen.fault["message"], "a server in ERROR without a reason"
        return str(seen.status)

    return eventually(look, f"server {server.id} is finished")


def settled_volume(cloud: Quickstart, volume: Any, server: Any) -> str:
    """The volume's status once nothing goes on with it, when it agrees with what compute and the hypervisor say."""

    def look() -> str | None:
        seen = cloud.connection.block_storage.get_volume(volume.id)
        if seen.status.endswith("ing"):
            return None
        in_compute = [one.volume_id for one in cloud.connection.compute.volume_attachments(server.id)]
        in_domain = volume.id in cloud.on_host(f"virsh dumpxml instance-{server.id}")
        is_attached = seen.status == "in-use"
        agreed = (volume.id in in_compute) == in_domain == bool(seen.attachments) == is_attached
        return str(seen.status) if agreed else None

    return eventually(look, f"volume {volume.id} is attached or not, for everybody")


def delete_server(cloud: Quickstart, server: Any) -> None:
    cloud.connection.compute.delete_server(server.id, ignore_missing=True)
    cloud.connection.compute.wait_for_delete(server, wait=SETTLE_SECONDS)


def delete_volume(cloud: Quickstart, volume: Any) -> None:
    storage = cloud.connection.block_storage
    eventually(lambda: storage.get_volume(volume.id).status == "available" or None, f"volume {volume.id} is available")
    storage.delete_volume(volume.id)
    storage.wait_for_delete(volume, wait=SETTLE_SECONDS)


def eventually(look: Callable[[], T | None], what: str) -> T:
    """What `look` returns once it is not None."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        found = look()
        if found is not None:
            return found
        assert time.monotonic() < deadline, f"not within {SETTLE_SECONDS} s: {what}"
        time.sleep(0.5)
