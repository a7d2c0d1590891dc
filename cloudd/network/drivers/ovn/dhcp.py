"""OVN's DHCP options for a subnet, and for a port that wants its own."""

import hashlib
import ipaddress
import json
from collections.abc import Iterable
from typing import Any

from cloudd.network.drivers.base import DhcpOption, NetworkSpec, Route, SubnetSpec
from cloudd.network.drivers.ovn.rows import KEY, Row

SUBNET, PORT, NETWORK, OVERRIDES = "cloudd:subnet", "cloudd:port", "cloudd:network", "cloudd:overrides"
METADATA_ADDRESS = "169.254.169.254"
LEASE_SECONDS = 43200
DISABLED = "dhcp_disabled"

# Names that dnsmasq (and so clients of the API) uses, beside OVN's own.
OPTION_NAMES_V4 = {
    "bootfile-name": "bootfile_name", "67": "bootfile_name",
    "classless-static-route": "classless_static_route", "121": "classless_static_route",
    "default-ttl": "default_ip_ttl", "23": "default_ip_ttl",
    "dns-server": "dns_server", "6": "dns_server",
    "domain-name": "domain_name", "15": "domain_name",
    "domain-search": "domain_search_list", "119": "domain_search_list",
    "hostname": "hostname", "12": "hostname",
    "ip-forward-enable": "ip_forward_enable", "19": "ip_forward_enable",
    "lease-time": "lease_time", "51": "lease_time",
    "mtu": "mtu", "interface-mtu": "mtu", "26": "mtu",
    "netmask": "netmask", "1": "netmask",
    "nis-server": "nis_server", "41": "nis_server",
    "ntp-server": "ntp_server", "42": "ntp_server",
    "path-prefix": "path_prefix", "210": "path_prefix",
    "router": "router", "3": "router",
    "server-ip-address": "next_server",
    "tftp-server": "tftp_server", "66": "tftp_server",
    "tftp-server-address": "tftp_server_address", "150": "tftp_server_address",
    "wpad": "wpad", "252": "wpad",
}  # fmt: skip
OPTION_NAMES_V6 = {"dns-server": "dns_server", "23": "dns_server", "domain-search": "domain_search", "24": "domain_search"}
TEXT_OPTIONS = {"bootfile_name", "domain_name", "domain_search", "domain_search_list", "hostname", "path_prefix", "tftp_server", "wpad"}
LIST_OPTIONS = {"dns_server", "ntp_server", "nis_server", "tftp_server_address", "classless_static_route"}


def is_served(subnet: SubnetSpec) -> bool:
    """Whether OVN answers DHCP in this subnet (stateless address configuration needs no answer)."""
    return subnet.enable_dhcp and (subnet.ip_version == 4 or subnet.ipv6_address_mode in ("dhcpv6-stateful", "dhcpv6-stateless"))


def subnet_row(network: NetworkSpec, subnet: SubnetSpec) -> Row:
    """The DHCP_Options row that every port of the subnet shares."""
    marks = {NETWORK: network.id, SUBNET: subnet.id}
    return Row(
        table="DHCP_Options",
        key=f"dhcp-{subnet.id}",
        columns={"cidr": subnet.cidr, "options": subnet_options(network, subnet)},
        marks=marks,
    )


def port_row(port_id: str, shared: Row, overrides: dict[str, str]) -> Row:
    """The DHCP_Options row of one port: the subnet's (`shared`) with the port's own options over it."""
    columns = shared.columns | {"options": shared.columns["options"] | overrides}
    marks = shared.marks | {PORT: port_id, OVERRIDES: json.dumps(overrides, sort_keys=True)}
    return Row(table="DHCP_Options", key=f"{shared.key}-{port_id}", columns=columns, marks=marks)


def subnet_options(network: NetworkSpec, subnet: SubnetSpec) -> dict[str, str]:
    """Options in OVN's spelling."""
    if subnet.ip_version == 6:
        options = {"server_id": server_mac(subnet.id)}
        if subnet.dns_nameservers:
            options["dns_server"] = braces(subnet.dns_nameservers)
        if network.dns_domain:
            options["domain_search"] = quoted(network.dns_domain.rstrip("."))
        if subnet.ipv6_address_mode == "dhcpv6-stateless":
            options["dhcpv6_stateless"] = "true"
        return options
    first_address = str(ipaddress.ip_network(subnet.cidr)[1])
    options = {
        "server_id": subnet.gateway_ip or subnet.metadata_address or first_address,
        "server_mac": server_mac(subnet.id),
        "lease_time": str(LEASE_SECONDS),
        "mtu": str(network.mtu),
    }
    if subnet.gateway_ip:
        options["router"] = subnet.gateway_ip
    if subnet.dns_nameservers:
        options["dns_server"] = braces(subnet.dns_nameservers)
    if network.dns_domain:
        options["domain_name"] = quoted(network.dns_domain.rstrip("."))
    routes = static_routes(subnet)
    if routes:
        options["classless_static_route"] = braces(f"{route.destination},{route.nexthop}" for route in routes)
    return options


def static_routes(subnet: SubnetSpec) -> list[Route]:
    """Routes by option 121; it makes clients ignore the router option, so the default route is repeated in it."""
    routes = list(subnet.host_routes)
    if subnet.metadata_address and not any(route.destination == f"{METADATA_ADDRESS}/32" for route in routes):
        routes.insert(0, Route(f"{METADATA_ADDRESS}/32", subnet.metadata_address))
    if routes and subnet.gateway_ip and not any(route.destination == "0.0.0.0/0" for route in routes):
        routes.append(Route("0.0.0.0/0", subnet.gateway_ip))
    return routes


def overrides_of(options: Iterable[DhcpOption], ip_version: int) -> dict[str, str] | None:
    """A port's own options in OVN's spelling; unknown ones are left out; None when the port wants no DHCP at all."""
    names = OPTION_NAMES_V4 if ip_version == 4 else OPTION_NAMES_V6
    overrides: dict[str, str] = {}
    for option in options:
        if option.ip_version != ip_version:
            continue
        if option.name == DISABLED:
            if option.value.lower() == "true":
                return None
            continue
        name = names.get(option.name) or (option.name if option.name in names.values() else None)
        if name in TEXT_OPTIONS:
            overrides[name] = quoted(option.value)
        elif name in LIST_OPTIONS:
            overrides[name] = option.value if option.value.startswith("{") else braces(option.value.split(","))
        elif name is not None:
            overrides[name] = option.value
    return overrides


def server_mac(subnet_id: str) -> str:
    """The DHCP server's MAC in a subnet: always the same, so that a lost row comes back as it was."""
    digest = hashlib.sha256(subnet_id.encode()).digest()
    return "fa:16:3e:" + ":".join(f"{byte:02x}" for byte in digest[:3])


def braces(items: Iterable[str]) -> str:
    return "{" + ", ".join(item.strip() for item in items) + "}"


def quoted(text: str) -> str:
    return '"' + text.strip('"').replace('"', "") + '"'


def read_overrides(row: Any) -> dict[str, str]:
    """The port's own options as they were written with its row."""
    overrides: dict[str, str] = json.loads(row.external_ids.get(OVERRIDES, "{}"))
    return overrides


def read_subnet_row(row: Any) -> Row:
    """A subnet's row as it stands in the database."""
    marks = {name: row.external_ids[name] for name in (NETWORK, SUBNET)}
    return Row(table="DHCP_Options", key=row.external_ids[KEY], columns={"cidr": row.cidr, "options": dict(row.options)}, marks=marks)
