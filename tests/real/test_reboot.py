"""The host is rebooted: afterwards every service and every instance that ran is back by itself, with its addresses and volumes."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import PREFIX
from tests.real.guest import Guest
from tests.real.quickstart import BIN, INVENTORY, ROOT, Quickstart, is_living

pytestmark = [pytest.mark.real, pytest.mark.timeout(900), pytest.mark.usefixtures("leak_check")]


# When the host's first process started.
STARTED = "stat -c %Z /proc/1"


@pytest.fixture
def running(quickstart: Quickstart, guest_key: Path) -> Iterator[dict[str, Any]]:
    """An instance with a floating IP and a volume that holds a text, and a second one that is stopped."""
    connection = quickstart.connection
    compute, network, storage = connection.compute, connection.network, connection.block_storage
    key = compute.create_keypair(name=PREFIX + "reboot", public_key=Path(f"{guest_key}.pub").read_text().strip())
    group = network.create_security_group(name=PREFIX + "reboot")
    for rule in ({"protocol": "icmp"}, {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}):
        network.create_security_group_rule(security_group_id=group.id, direction="ingress", ether_type="IPv4", **rule)
    request = {
        "flavor_id": compute.find_flavor("tiny").id,
        "image_id": connection.image.find_image("tiny").id,
        "networks": [{"uuid": network.find_network("private").id}],
        "key_name": key.name,
        "security_groups": [{"name": group.id}],
    }
    servers = [compute.create_server(name=PREFIX + name, **request) for name in ("running", "stopped")]
    server, stopped = [compute.wait_for_server(one, wait=120) for one in servers]
    compute.stop_server(stopped.id)
    compute.wait_for_server(stopped, status="SHUTOFF", wait=120)
    volume = storage.create_volume(name=PREFIX + "reboot", size=1)
    storage.wait_for_status(volume, "available", wait=120)
    compute.create_volume_attachment(server.id, volume.id)
    storage.wait_for_status(volume, "in-use", wait=120)
    port = next(iter(network.ports(device_id=server.id)))
    external = network.find_network("public").id
    floating_ip = network.create_ip(floating_network_id=external, port_id=port.id, description=PREFIX + "reboot")
    guest = Guest(floating_ip.floating_ip_address, guest_key).wait()
    text = secrets.token_hex(16)
    device = guest.disk_of(volume.id)
    guest.run(f"mkfs.vfat {device} >/dev/null && mkdir -p /mnt/volume && mount -t vfat {device} /mnt/volume")
    guest.run(f"echo {text} >/mnt/volume/text && sync && umount /mnt/volume")
    addresses = compute.get_server(server.id).addresses
    yield {"server": server, "stopped": stopped, "volume": volume, "guest": guest, "text": text, "port": port, "addresses": addresses}
    network.delete_ip(floating_ip.id)
    for one in (server, stopped):
        compute.delete_server(one.id)
        compute.wait_for_delete(one, wait=120)
    storage.wait_for_status(storage.get_volume(volume.id), "available", wait=120)
    storage.delete_volume(volume.id)
    storage.wait_for_delete(volume, wait=120)
    network.delete_security_group(group.id)
    compute.delete_keypair(key.name)


# By its own shutdown, and by a power cut.
@pytest.mark.parametrize("mode", ["clean", "reset"])
def test_everything_is_back_by_itself(quickstart: Quickstart, running: dict[str, Any], mode: str) -> None:
    units_before, started_before = units(quickstart), quickstart.on_host(STARTED)
    reboot(mode)
    wait_until_living(120)
    assert quickstart.on_host(STARTED) != started_before
    connection = quickstart.connection
    server = wait_status(connection, running["server"], "ACTIVE", 120)
    assert server.addresses == running["addresses"]
    running["guest"].wait(180)
    port = connection.network.get_port(running["port"].id)
    assert (port.mac_address, port.fixed_ips) == (running["port"].mac_address, running["port"].fixed_ips)
    device = running["guest"].disk_of(running["volume"].id)
    assert running["guest"].run(f"mkdir -p /mnt/volume && mount -t vfat {device} /mnt/volume && cat /mnt/volume/text") == running["text"]
    assert connection.compute.get_server(running["stopped"].id).status == "SHUTOFF"
    assert units(quickstart) >= units_before


def units(quickstart: Quickstart) -> set[str]:
    """The cloud's services that run on the host."""
    listed = quickstart.on_host("systemctl list-units --type=service --state=running --plain --no-legend")
    ours = ("cloudd", "ov", "libvirt", "virtqemud", "virtlog")
    return {line.split()[0] for line in listed.splitlines() if line.startswith(ours)}


def reboot(mode: str) -> None:
    command = [str(BIN / "ansible-playbook"), "-i", str(INVENTORY), "playbooks/lab_reboot.yml", "-e", f"lab_reboot_mode={mode}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-500:]


def wait_until_living(timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not is_living():
        assert time.monotonic() < deadline, f"the API does not answer {timeout_seconds:g} s after the reboot"
        time.sleep(1)


def wait_status(connection: Any, server: Any, status: str, timeout_seconds: float) -> Any:
    deadline = time.monotonic() + timeout_seconds
    while True:
        seen = connection.compute.get_server(server.id)
        if seen.status == status and seen.task_state is None:
            return seen
        assert time.monotonic() < deadline, f"server {seen.name} is {seen.status} ({seen.task_state}, {seen.fault}), not {status}"
        time.sleep(1)
