"""A router as a logical router: its ports, static routes and address translations are rows within it."""

import hashlib
import ipaddress
from typing import Any

from cloudd.network.drivers.base import Chassis, Nat, Route, RouterPort, RouterSpec
from cloudd.network.drivers.ovn.rows import Row, find, is_newer, marks_of, put

MAX_GATEWAY_CHASSIS = 5


def router_name(router_id: str) -> str:
    return f"router-{router_id}"


def router_port_name(port_id: str) -> str:
    return f"router-port-{port_id}"


def gateway_order(router_id: str, chassis: list[Chassis], physical_network: str | None) -> list[str]:
    """Chassis for the gateway, the best first: each router has its own stable order, so load spreads.

    Hosts marked as gateways come into question; when none is marked, every host with the physical network.
    """
    fit = [host for host in chassis if physical_network is None or physical_network in host.physical_networks]
    candidates = [host.name for host in fit if host.gateway] or [host.name for host in fit]
    return sorted(candidates, key=lambda name: hashlib.sha256(f"{router_id}{name}".encode()).digest())[:MAX_GATEWAY_CHASSIS]


def router_row(spec: RouterSpec, gateways: list[str]) -> Row:
    gateway_ports = [port for port in spec.ports if port.gateway]
    return Row(
        table="Logical_Router",
        key=router_name(spec.id),
        columns={
            "name": router_name(spec.id),
            "enabled": [spec.enabled],
            # Neighbours are learnt when asked for, not from every passing ARP: the tables stay small.
            "options": {"always_learn_from_arp_request": "false", "dynamic_neigh_routers": "true"},
        },
        marks=marks_of("router", spec) | {"cloudd:name": spec.name},
        children={
            "ports": [_port_row(port, gateways) for port in spec.ports],
            "static_routes": [_route_row(route, gateway_ports) for route in spec.routes],
            "nat": [_nat_row(nat) for nat in spec.nats],
        },
    )


def _port_row(port: RouterPort, gateways: list[str]) -> Row:
    name = router_port_name(port.port_id)
    ra_configs: dict[str, str] = {}
    if port.ipv6_ra_mode:
        mode = port.ipv6_ra_mode.replace("-", "_")
        ra_configs = {"address_mode": mode, "send_periodic": "true", "mtu": str(port.mtu)}
    chassis = [
        Row(
            table="Gateway_Chassis",
            key=f"{name}_{host}",
            columns={"name": f"{name}_{host}", "chassis_name": host, "priority": len(gateways) - place},
        )
        for place, host in enumerate(gateways)
    ]
    return Row(
        table="Logical_Router_Port",
        key=name,
        columns={
            "name": name,
            "mac": port.mac_address,
            "networks": sorted(port.addresses),
            "ipv6_ra_configs": ra_configs,
            # A bridged tenant network has no tunnel to the gateway host: route its traffic there.
            "options": {"reside-on-redirect-chassis": "true"} if port.bridged and not port.gateway else {},
        },
        children={"gateway_chassis": chassis if port.gateway else []},
    )


def _route_row(route: Route, gateway_ports: list[RouterPort]) -> Row:
    default = ipaddress.ip_network(route.destination).prefixlen == 0 and gateway_ports
    return Row(
        table="Logical_Router_Static_Route",
        key=f"{route.destination},{route.nexthop}",
        columns={
            "ip_prefix": route.destination,
            "nexthop": route.nexthop,
            "output_port": [router_port_name(gateway_ports[0].port_id)] if default and _on_link(route, gateway_ports[0]) else [],
        },
    )


def _on_link(route: Route, port: RouterPort) -> bool:
    nexthop = ipaddress.ip_address(route.nexthop)
    return any(nexthop in ipaddress.ip_interface(address).network for address in port.addresses)


def _nat_row(nat: Nat) -> Row:
    return Row(table="NAT", key=nat.id, columns={"type": nat.kind, "external_ip": nat.external, "logical_ip": nat.logical})


def sync(txn: Any, tables: Any, spec: RouterSpec, chassis: list[Chassis]) -> bool:
    router = find(tables, "Logical_Router", router_name(spec.id))
    if is_newer(router, spec.revision):
        return False
    gateways = gateway_order(spec.id, chassis, spec.gateway_physical_network)
    return put(txn, router_row(spec, gateways), router)[1]


def delete(tables: Any, router_id: str) -> bool:
    router = find(tables, "Logical_Router", router_name(router_id))
    if router is not None:
        router.delete()
    return router is not None
