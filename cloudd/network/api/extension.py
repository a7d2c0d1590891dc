"""/v2.0/extensions: exactly what is served here."""

from __future__ import annotations

from typing import Any

from cloudd.kit.web import route
from cloudd.network.errors import ExtensionNotFound

UPDATED = "2026-01-01T00:00:00-00:00"
EXTENSIONS = {
    "agent": ("agent", "The hosts that networks run on."),
    "allowed-address-pairs": ("Allowed Address Pairs", "Further source addresses for a port."),
    "availability_zone": ("Availability Zone", "Availability zones of networks and routers."),
    "binding": ("Port Binding", "The host that a port is bound to."),
    "default-subnetpools": ("Default Subnetpools", "A subnet pool that is used when none is named."),
    "ext-gw-mode": ("Neutron L3 Configurable external gateway mode", "Whether a router translates source addresses."),
    "external-net": ("Neutron external network", "Networks that routers have gateways in."),
    "extra_dhcp_opt": ("Neutron Extra DHCP options", "DHCP options of a port."),
    "extraroute": ("Neutron Extra Route", "Static routes of a router."),
    "extraroute-atomic": ("Atomically add/remove extra routes", "Adding and removing single routes."),
    "filter-validation": ("Filter parameters validation", "A filter by an unknown attribute is refused."),
    "fip-port-details": ("Floating IP Port Details Extension", "The port of a floating IP within its view."),
    "ip-substring-filtering": ("IP address substring filtering", "Ports by a part of their address."),
    "net-mtu": ("Network MTU", "The MTU of a network."),
    "net-mtu-writable": ("Network MTU (writable)", "The MTU of a network may be set."),
    "network_availability_zone": ("Network Availability Zone", "Availability zones of a network."),
    "pagination": ("Pagination support", "Lists in pages."),
    "port-security": ("Port Security", "Whether a port's addresses are enforced."),
    "project-id": ("project_id field enabled", "project_id beside tenant_id."),
    "provider": ("Provider Network", "How a network is carried."),
    "quotas": ("Quota management support", "Quotas of a project."),
    "quota_details": ("Quota details management support", "Usage beside the limits."),
    "router": ("Neutron L3 Router", "Routers and floating IPs."),
    "router_availability_zone": ("Router Availability Zone", "Availability zones of a router."),
    "security-group": ("security-group", "Security groups."),
    "sorting": ("Sorting support", "Lists in a wanted order."),
    "standard-attr-description": ("standard-attr-description", "A description of every resource."),
    "standard-attr-revisions": ("Resource revision numbers", "A number that rises with every change."),
    "standard-attr-tag": ("Tag support for resources with standard attribute", "Tags."),
    "standard-attr-timestamp": ("Resource timestamps", "When a resource was made and changed."),
    "subnet_allocation": ("Subnet Allocation", "Subnet pools."),
}


def view(alias: str) -> dict[str, Any]:
    name, description = EXTENSIONS[alias]
    return {"alias": alias, "name": name, "description": description, "updated": UPDATED, "links": []}


@route("GET", "/v2.0/extensions", rule="network:get_extension")
async def list_extensions() -> dict[str, Any]:
    return {"extensions": [view(alias) for alias in EXTENSIONS]}


@route("GET", "/v2.0/extensions/{alias:str}", rule="network:get_extension")
async def show_extension(alias: str) -> dict[str, Any]:
    if alias not in EXTENSIONS:
        raise ExtensionNotFound(alias=alias)
    return {"extension": view(alias)}
