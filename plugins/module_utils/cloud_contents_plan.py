"""What a new cloud gets first, and what is missing of it: pure comparisons between wish and cloud."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Our words for a flavor's sizes, and the SDK's.
FLAVOR_FIELDS = {"vcpus": "vcpus", "ram_mib": "ram", "disk_gib": "disk"}


def flavor_arguments(wish: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that create the flavor: `vcpus`, `ram` in MiB, `disk` in GiB."""
    return {theirs: int(wish[ours]) for ours, theirs in FLAVOR_FIELDS.items()}


def flavor_differs(wish: Mapping[str, Any], flavor: Any) -> bool:
    """Whether a flavor of that name has other sizes; flavors never change, so it is made anew then."""
    return any(getattr(flavor, field) != value for field, value in flavor_arguments(wish).items())


def subnet_changes(wish: Mapping[str, Any], subnet: Any) -> dict[str, Any]:
    """The attributes of a subnet that must be updated to fit the wish; its CIDR never changes."""
    changes: dict[str, Any] = {}
    pools = sorted((str(pool["start"]), str(pool["end"])) for pool in wish.get("allocation_pools") or [])
    present = sorted((pool["start"], pool["end"]) for pool in subnet.allocation_pools or [])
    if pools and pools != present:
        changes["allocation_pools"] = [{"start": start, "end": end} for start, end in pools]
    if wish.get("gateway") and str(wish["gateway"]) != subnet.gateway_ip:
        changes["gateway_ip"] = str(wish["gateway"])
    names = [str(name) for name in wish.get("dns_nameservers") or []]
    if names and names != list(subnet.dns_nameservers or []):
        changes["dns_nameservers"] = names
    return changes


def subnet_arguments(wish: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that create the wished subnet, beside its name and network."""
    arguments: dict[str, Any] = {"cidr": str(wish["cidr"]), "ip_version": 4, "enable_dhcp": bool(wish.get("dhcp", True))}
    if wish.get("gateway"):
        arguments["gateway_ip"] = str(wish["gateway"])
    if wish.get("allocation_pools"):
        arguments["allocation_pools"] = [{"start": str(p["start"]), "end": str(p["end"])} for p in wish["allocation_pools"]]
    if wish.get("dns_nameservers"):
        arguments["dns_nameservers"] = [str(name) for name in wish["dns_nameservers"]]
    return arguments
