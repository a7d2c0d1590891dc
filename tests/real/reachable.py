"""A server that its user reaches by ping and ssh through a floating IP, and where the hosts say it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.real.conftest import PREFIX
from tests.real.guest import Guest
from tests.real.quickstart import Quickstart

INSTANCES = "/var/lib/cloudd/instances"
ACCESS = PREFIX + "access"
_BUILD_SECONDS = 180
_MOVE_SECONDS = 180
_POLL_SECONDS = 0.2


class Reachable:
    """Asked for at once; `wait` sees it up. What it is made of beyond the usual, create_server's options say."""

    def __init__(self, cloud: Quickstart, key: Path, name: str, **options: Any) -> None:
        self.cloud, self.name = cloud, name
        self._connection: Any = cloud.connection
        compute, network = self._connection.compute, self._connection.network
        if network.find_security_group(ACCESS) is None:
            rules = network.create_security_group(name=ACCESS)
            for protocol in ("icmp", "tcp"):
                rule = {"direction": "ingress", "ether_type": "IPv4", "protocol": protocol}
                network.create_security_group_rule(security_group_id=rules.id, **rule)
        if compute.find_keypair(ACCESS) is None:
            compute.create_keypair(name=ACCESS, public_key=Path(f"{key}.pub").read_text())
        if "block_device_mapping" not in options:
            options["image_id"] = self._connection.image.find_image("tiny").id
        self.id: str = compute.create_server(
            name=name,
            flavor_id=compute.find_flavor("tiny").id,
            networks=[{"uuid": network.find_network("private").id}],
            security_groups=[{"name": ACCESS}],
            key_name=ACCESS,
            **options,
        ).id
        self._key = key

    def wait(self) -> Reachable:
        """Once it is ACTIVE and lets its user in."""
        self._connection.compute.wait_for_server(self.show(), wait=_BUILD_SECONDS)
        network = self._connection.network
        port = next(iter(network.ports(device_id=self.id)))
        public = network.find_network("public").id
        floating_ip = network.create_ip(floating_network_id=public, port_id=port.id, description=self.name)
        self.fixed_address: str = port.fixed_ips[0]["ip_address"]
        self.guest = Guest(floating_ip.floating_ip_address, self._key).wait(_BUILD_SECONDS)
        return self

    def show(self) -> Any:
        return self._connection.compute.get_server(self.id)

    @property
    def host(self) -> str:
        """The name of the host it is on, as the API says."""
        return str(self.show().compute_host)

    def settled(self, status: str) -> Any:
        """The server once it has the status and no task."""
        deadline = time.monotonic() + _MOVE_SECONDS
        while time.monotonic() < deadline:
            server = self.show()
            if server.status == status and not server.task_state:
                return server
            assert server.status != "ERROR", server.fault
            time.sleep(_POLL_SECONDS)
        raise AssertionError(f"server {self.name} is still {server.status} ({server.task_state}), not {status}")

    def boot(self) -> str:
        """What names this run of the guest: another one after each restart."""
        return self.guest.run("cat /proc/sys/kernel/random/boot_id")

    def traces(self, *, besides: str = "") -> list[str]:
        """The hosts that have files or a domain of the server; one that is off is not asked."""
        look = f"ls -d {INSTANCES}/{self.id} 2>/dev/null; virsh list --all --uuid 2>/dev/null | grep {self.id}; true"
        return [host for host, said in self.cloud.on_hosts(look, besides=besides).items() if said.strip()]
