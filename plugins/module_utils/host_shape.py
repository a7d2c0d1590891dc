"""What the cloud's roles decide by of a host: the networks it is on, and what its kernel can do."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path


def shape_of(networks: dict, links: list) -> dict:
    """The facts `host_networks` and `host_kernel`, of the cloud's networks and this host's links (as `ip -json address` tells them)."""
    return {"host_networks": networks_of(networks, links), "host_kernel": kernel_of(Path("/"), os.uname().release)}


def networks_of(wanted: dict, links: list) -> dict:
    """Where each network's CIDR holds an address of these links (as `ip -json address` tells them)."""
    found = {}
    for name, network in wanted.items():
        cidr = ipaddress.ip_network(network["cidr"])
        for link in links:
            for address in link.get("addr_info", []):
                # Secondary addresses are virtual ones that may move to another host.
                if ipaddress.ip_address(address["local"]) in cidr and not address.get("secondary") and address["prefixlen"] < 32:
                    found.setdefault(
                        name,
                        {"interface": link["ifname"], "address": address["local"], "prefix": address["prefixlen"], "mtu": link["mtu"]},
                    )
    return found


def kernel_of(root: Path, release: str) -> dict:
    """What the kernel offers, judged by the files under `root`; nothing is loaded."""
    container = (root / "run/systemd/container").exists()
    modules = root / "lib/modules" / release
    listed = any(
        (modules / name).exists() and "/openvswitch.ko" in (modules / name).read_text() for name in ("modules.dep", "modules.builtin")
    )
    return {
        "container": container,
        "kvm": (root / "dev/kvm").exists(),
        # A container cannot load modules, but may use what its machine has loaded.
        "openvswitch": (root / "sys/module/openvswitch").exists() or (listed and not container),
    }
