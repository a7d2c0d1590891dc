"""The canary: an instance with a floating IP, made by openstacksdk."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from typing import Any

import openstack

NAME = "faulttest-canary"
#: A guest that still boots answers some pings and not others.
WARM_UP = ["ping", "-q", "-c", "20", "-i", "0.2", "-W", "1"]
BOOT_SECONDS = 180.0


@dataclass(frozen=True)
class Instance:
    address: str
    host: str


def make_canary(cloud_name: str) -> Instance:
    """The instance, made anew or found; returns its floating IP and the host it runs on."""
    connection: Any = openstack.connect(cloud=cloud_name, load_envvars=False)
    server = connection.compute.find_server(NAME)
    if server is None:
        network, compute = connection.network, connection.compute
        group = network.create_security_group(name=NAME)
        network.create_security_group_rule(security_group_id=group.id, direction="ingress", ether_type="IPv4", protocol="icmp")
        server = compute.create_server(
            name=NAME,
            flavor_id=compute.find_flavor("tiny").id,
            image_id=connection.image.find_image("tiny").id,
            networks=[{"uuid": network.find_network("private").id}],
            security_groups=[{"name": group.id}],
        )
        server = compute.wait_for_server(server, wait=180)
        port = next(iter(network.ports(device_id=server.id)))
        network.create_ip(floating_network_id=network.find_network("public").id, port_id=port.id, description=NAME)
    floating_ip = next(ip for ip in connection.network.ips() if ip.description == NAME)
    wait_for_answers(floating_ip.floating_ip_address)
    return Instance(floating_ip.floating_ip_address, connection.compute.get_server(server.id).hypervisor_hostname)


def wait_for_answers(address: str) -> None:
    """Until the guest has answered every one of some pings in a row."""
    deadline = time.monotonic() + BOOT_SECONDS
    while " 0% packet loss" not in subprocess.run([*WARM_UP, address], capture_output=True, text=True, check=False).stdout:
        assert time.monotonic() < deadline, f"the canary at {address} does not answer pings {BOOT_SECONDS:.0f} s after it became ACTIVE"


def remove_canary(cloud_name: str) -> None:
    connection: Any = openstack.connect(cloud=cloud_name, load_envvars=False)
    for floating_ip in [ip for ip in connection.network.ips() if ip.description == NAME]:
        connection.network.delete_ip(floating_ip.id)
    server = connection.compute.find_server(NAME)
    if server is not None:
        connection.delete_server(server.id, wait=True, timeout=120)
    for group in connection.network.security_groups(name=NAME):
        connection.network.delete_security_group(group.id)
