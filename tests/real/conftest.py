"""Fixtures of the tests that need a living cloud: the one under test, which is made if it is not there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.real.host_state import assert_as_before, things
from tests.real.lab_traces import traces
from tests.real.quickstart import CLOUD, INVENTORY, ROOT, Quickstart, is_living

# What real tests make is named so, and whatever a failed test leaves is found by it.
PREFIX = "realtest-"
FAILED_STEP = pytest.StashKey[str]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real things take their time: the first test that needs the cloud also waits for the whole quickstart."""
    for item in items:
        if "real" in item.keywords and not any(item.iter_markers("timeout")):
            item.add_marker(pytest.mark.timeout(1200))


@pytest.fixture(scope="session")
def quickstart() -> Iterator[Quickstart]:
    """The cloud under test, living: the quickstart's, unless CLOUD_UNDER_TEST says otherwise.

    Where there is none it is made, and removed at the end.
    """
    if is_living():
        yield Quickstart()
        return
    inventory = ["-i", str(INVENTORY)]
    if CLOUD == "quickstart":
        _cloudctl("quickstart")
    else:
        _cloudctl("lab", "up", INVENTORY.name)
        for verb in ("deploy", "guest_images", "post_deploy"):
            _cloudctl(verb, *inventory)
    yield Quickstart()
    _cloudctl("destroy", *inventory, "--yes-i-really-really-mean-it")
    _cloudctl("lab", "down", INVENTORY.name)
    lab = yaml.safe_load((INVENTORY / "group_vars" / "all" / "lab.yml").read_text())
    assert not traces(lab["lab_name"], lab["lab_index"]), "the lab left something behind"


def _cloudctl(*words: str) -> None:
    done = subprocess.run([str(ROOT / "cloudctl"), *words], cwd=ROOT, check=False)
    assert done.returncode == 0, f"./cloudctl {' '.join(words)} failed: its output and .cache/log tell why"


@pytest.fixture(scope="module")
def leak_check(quickstart: Quickstart) -> Iterator[None]:
    """Compares the host and the cloud's books before and after the module's tests; cleans up by name if a test failed."""
    sweep(quickstart)
    # What a cloud makes with its first port, once, is no leak.
    network = quickstart.connection.network
    network.delete_port(network.create_port(network_id=network.find_network("private").id, name=PREFIX + "first").id)
    before = things(quickstart)
    yield
    left = sweep(quickstart)
    assert not left, f"the tests did not delete: {left}"
    assert_as_before(quickstart, before)


@pytest.fixture
def steps(request: pytest.FixtureRequest) -> Iterator[None]:
    """For a module whose tests stand on those before them: after a failure the rest cannot be judged."""
    stash, failures = request.node.parent.stash, request.session.testsfailed
    if FAILED_STEP in stash:
        pytest.skip(f"stands on {stash[FAILED_STEP]}, which failed")
    yield
    if request.session.testsfailed > failures:
        stash[FAILED_STEP] = request.node.name


@pytest.fixture(scope="session")
def guest_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new ssh key; its public half lies beside it as .pub."""
    path = tmp_path_factory.mktemp("ssh") / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "realtest", "-f", str(path)], check=True)
    return path


def sweep(quickstart: Quickstart) -> list[str]:
    """Delete everything that is named as real tests name it; returns what there was."""
    connection = quickstart.connection
    left = []
    for server in [one for one in connection.compute.servers() if one.name.startswith(PREFIX)]:
        left.append(f"server {server.name}")
        connection.delete_server(server.id, wait=True, timeout=120)
    for volume in [one for one in connection.block_storage.volumes() if (one.name or "").startswith(PREFIX)]:
        left.append(f"volume {volume.name}")
        connection.block_storage.delete_volume(volume.id)
        connection.block_storage.wait_for_delete(volume, wait=120)
    for floating_ip in [one for one in connection.network.ips() if (one.description or "").startswith(PREFIX)]:
        left.append(f"floating IP {floating_ip.floating_ip_address}")
        connection.network.delete_ip(floating_ip.id)
    for router in [one for one in connection.network.routers() if one.name.startswith(PREFIX)]:
        left.append(f"router {router.name}")
        for port in connection.network.ports(device_id=router.id, device_owner="network:router_interface"):
            connection.network.remove_interface_from_router(router.id, port_id=port.id)
        connection.network.delete_router(router.id)
    for network in [one for one in connection.network.networks() if one.name.startswith(PREFIX)]:
        left.append(f"network {network.name}")
        for port in connection.network.ports(network_id=network.id):
            connection.network.delete_port(port.id)
        connection.network.delete_network(network.id)
    for group in [one for one in connection.network.security_groups() if one.name.startswith(PREFIX)]:
        left.append(f"security group {group.name}")
        connection.network.delete_security_group(group.id)
    for keypair in [one for one in connection.compute.keypairs() if one.name.startswith(PREFIX)]:
        left.append(f"keypair {keypair.name}")
        connection.compute.delete_keypair(keypair.name)
    return left
