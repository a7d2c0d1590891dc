"""APIs, workers and agents as processes of their own: one of each is killed in the midst of work, and all of it ends well."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.several_processes import SeveralProcesses, has_engines

pytestmark = [pytest.mark.real, pytest.mark.skipif(not has_engines(), reason="ovn-common is not installed")]

#: within the quotas of a new project
COUNT = 9
STEP = re.compile(r"cloudd\.kit\.saga \[.*?\] (\S+) (\S+): (\S+) (begins|ended|failed)")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeveralProcesses]:
    processes = SeveralProcesses(tmp_path_factory.mktemp("processes"))
    try:
        processes.start()
        yield processes
    finally:
        processes.stop()


class Client:
    """Asks one API after the other, and the next when one is away, as a load balancer does."""

    def __init__(self, cloud: SeveralProcesses) -> None:
        self.urls = list(cloud.urls.values())
        self.http = httpx.Client(headers={"X-Auth-Token": cloud.token(), "X-OpenStack-Nova-API-Version": "2.79"}, timeout=30)
        self.turn = 0

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        for _ in range(100):
            self.turn += 1
            try:
                answer = self.http.request(method, self.urls[self.turn % 2] + path, **options)
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if answer.status_code == 503:
                time.sleep(0.1)
                continue
            assert answer.status_code < 400 or (method == "DELETE" and answer.status_code == 404), f"{method} {path}: {answer.text}"
            return answer.json() if answer.content else None
        raise AssertionError(f"no API answers {method} {path}")


def until_settled(client: Client, path: str, key: str, transient: set[str], seconds: float = 120) -> list[dict[str, Any]]:
    """The list once nothing in it is under way."""
    deadline = time.monotonic() + seconds
    while True:
        found: list[dict[str, Any]] = client("GET", path)[key]
        waiting = [item for item in found if item["status"].lower() in transient]
        if not waiting:
            return found
        assert time.monotonic() < deadline, f"still {[(item['id'], item['status']) for item in waiting]}"
        time.sleep(0.5)


def test_work_ends_well_when_one_of_each_is_killed(cloud: SeveralProcesses) -> None:
    client = Client(cloud)
    network = client("POST", "/network/v2.0/networks", json={"network": {"name": "n"}})["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24"}
    client("POST", "/network/v2.0/subnets", json={"subnet": subnet})
    flavor = {"name": "f", "vcpus": 1, "ram": 64, "disk": 1}
    flavor_id = client("POST", "/compute/v2.1/flavors", json={"flavor": flavor})["flavor"]["id"]
    image = client("POST", "/image/v2/images", json={"name": "i", "disk_format": "raw", "container_format": "bare"})["id"]
    octets = {"Content-Type": "application/octet-stream"}
    client("PUT", f"/image/v2/images/{image}/file", content=b"\0" * 65536, headers=octets)

    killed_at = 0.0
    for number in range(COUNT):
        client("POST", "/network/v2.0/ports", json={"port": {"name": f"p{number}", "network_id": network}})
        client("POST", "/volume/v3/volumes", json={"volume": {"name": f"v{number}", "size": 1}})
        server = {"name": f"s{number}", "flavorRef": flavor_id, "imageRef": image, "networks": [{"uuid": network}]}
        client("POST", "/compute/v2.1/servers", json={"server": server})
        if number == COUNT // 2:
            for name in ("worker1", "api2", "agent-cmp1"):
                cloud.kill(name)
            killed_at = time.monotonic()
            # As systemd would, but for the worker: the other one takes its work up.
            cloud.spawn("api2")
            cloud.spawn("agent-cmp1")

    servers = until_settled(client, "/compute/v2.1/servers/detail", "servers", {"build"})
    volumes = until_settled(client, "/volume/v3/volumes/detail", "volumes", {"creating"})
    print(f"settled {time.monotonic() - killed_at:.1f} s after the kill: {[server['status'] for server in servers]}")
    assert len(servers) == len(volumes) == COUNT
    assert all(server["status"] == "ACTIVE" or server["fault"]["message"] for server in servers)
    assert all(volume["status"] in ("available", "error") for volume in volumes)
    assert sum(server["status"] == "ACTIVE" for server in servers) > COUNT // 2
    assert_steps_apart(cloud)
    assert_taken_up(cloud, killed_at)

    status = cloud.run("worker2", "status")
    assert status.returncode == 0, status.stdout
    assert re.search(r"worker\.control +0 waiting, 1 serving", status.stdout)
    assert "0 sagas open, 0 stuck" in status.stdout

    for server in servers:
        client("DELETE", f"/compute/v2.1/servers/{server['id']}")
    for volume in volumes:
        client("DELETE", f"/volume/v3/volumes/{volume['id']}")
    until_gone(client, "/compute/v2.1/servers/detail", "servers")
    until_gone(client, "/volume/v3/volumes/detail", "volumes")
    left = client("GET", "/network/v2.0/ports")["ports"]
    assert {port["name"] for port in left if not port["device_owner"].startswith("network:")} == {f"p{number}" for number in range(COUNT)}
    for provider in client("GET", "/placement/resource_providers")["resource_providers"]:
        assert not any(client("GET", f"/placement/resource_providers/{provider['uuid']}/usages")["usages"].values())
    assert not list((cloud.directory / "files" / "volumes").glob("**/*.raw"))


def test_a_worker_that_is_stopped_hands_over_at_once(cloud: SeveralProcesses) -> None:
    cloud.spawn("worker1")
    deadline = time.monotonic() + 60
    while "worker.control" not in (text := cloud.run("worker2", "status").stdout) or "2 serving" not in text.split("worker.control")[1]:
        assert time.monotonic() < deadline, text
        time.sleep(1)
    cloud.children["worker2"].terminate()
    assert cloud.children["worker2"].wait(20) == 0
    client = Client(cloud)
    client("POST", "/volume/v3/volumes", json={"volume": {"name": "later", "size": 1}})
    started = time.monotonic()
    (volume,) = until_settled(client, "/volume/v3/volumes/detail", "volumes", {"creating"})
    assert volume["status"] == "available"
    assert time.monotonic() - started < 10


def until_gone(client: Client, path: str, key: str) -> None:
    deadline = time.monotonic() + 120
    while left := client("GET", path)[key]:
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def assert_steps_apart(cloud: SeveralProcesses) -> None:
    """No saga was worked on by two workers at the same moment."""
    busy: dict[str, str] = {}
    seen = 0
    for _, name, text in sorted(cloud.said):
        if text == "KILLED":
            busy = {saga: worker for saga, worker in busy.items() if worker != name}
        if match := STEP.search(text):
            seen += 1
            saga, act = match[2], match[4]
            assert busy.get(saga, name) == name, f"{saga} was worked on by {busy[saga]} and {name}"
            if act == "begins":
                busy[saga] = name
            else:
                busy.pop(saga, None)
    assert seen > 4 * COUNT


def assert_taken_up(cloud: SeveralProcesses, killed_at: float) -> None:
    """What the dead worker had begun was gone on with within 15 s."""
    begun: set[str] = set()
    for moment, name, text in sorted(cloud.said):
        match = STEP.search(text)
        if match and name == "worker1" and moment < killed_at:
            begun = begun | {match[2]} if match[4] == "begins" else begun - {match[2]}
        if match and name == "worker2" and match[2] in begun and moment > killed_at:
            print(f"{match[1]} was taken up {moment - killed_at:.1f} s after its worker died")
            assert moment - killed_at < 15
            begun.discard(match[2])


def test_agents_know_no_secret_of_the_control_plane(cloud: SeveralProcesses) -> None:
    text = Path(cloud.directory / "agent-cmp1.yaml").read_text()
    assert "database" not in text and "token_keys" not in text and "control:" not in text
