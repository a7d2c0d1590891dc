"""A router as a logical router: its ports, static routes and address translations are rows within it."""

import hashlib
import ipaddress
from typing import Any

from cloudd.network.drivers.base import Chassis, Nat, Route, RouterPort, RouterSpec
from cloudd.network.drivers.ovn.rows import Northbound, Row, is_newer, marks_of

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


def gateway_row(router_id: str, gateways: list[str]) -> Row:
    """The hosts that the router's external side may be on: the living one of highest priority has it (they watch each other by BFD)."""
    hosts = [
        Row(
            table="HA_Chassis",
            key=f"{router_name(router_id)}_{host}",
            columns={"chassis_name": host, "priority": len(gateways) - place},
        )
        for place, host in enumerate(gateways)
    ]
    name = router_name(router_id)
    return Row(table="HA_Chassis_Group", key=name, columns={"name": name}, children={"ha_chassis": hosts})


def router_row(spec: RouterSpec, group: Any | None, chassis: list[Chassis]) -> Row:
    """The router; `group` is the HA_Chassis_Group row of its gateway."""
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
            "ports": [_port_row(port, group) for port in spec.ports],
            "static_routes": [_route_row(route, gateway_ports) for route in spec.routes],
            "nat": [_nat_row(nat, spec, chassis) for nat in spec.nats],
        },
    )


def _port_row(port: RouterPort, group: Any | None) -> Row:
    name = router_port_name(port.port_id)
    ra_configs: dict[str, str] = {}
    if port.ipv6_ra_mode:
        mode = port.ipv6_ra_mode.replace("-", "_")
        ra_configs = {"address_mode": mode, "send_periodic": "true", "mtu": str(port.mtu)}
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
            "ha_chassis_group": [group.uuid] if port.gateway and group is not None else [],
        },
        # What an older release wrote instead of the group.
        children={"gateway_chassis": []},
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


def is_distributed(nat: Nat, spec: RouterSpec, chassis: list[Chassis]) -> bool:
    """Whether the server's own host can speak for the floating IP: it must be on the physical network that the router's gateway is in."""
    if not (nat.kind == "dnat_and_snat" and nat.logical_port and nat.external_mac and nat.host):
        return False
    return any(
        nat.host in (host.hostname, host.name) and (spec.gateway_physical_network or "") in host.physical_networks for host in chassis
    )


def _nat_row(nat: Nat, spec: RouterSpec, chassis: list[Chassis]) -> Row:
    distributed = is_distributed(nat, spec, chassis)
    columns = {
        "type": nat.kind,
        "external_ip": nat.external,
        "logical_ip": nat.logical,
        "external_mac": [nat.external_mac] if distributed else [],
        "logical_port": [nat.logical_port] if distributed else [],
    }
    return Row(table="NAT", key=nat.id, columns=columns)


def sync(nb: Northbound, spec: RouterSpec, chassis: list[Chassis]) -> bool:
    router = nb.find("Logical_Router", router_name(spec.id))
    if is_newer(router, spec.revision):
        return False
    held = nb.find("HA_Chassis_Group", router_name(spec.id))
    gateways = gateway_order(spec.id, chassis, spec.gateway_physical_network) if any(port.gateway for port in spec.ports) else []
    group, changed = nb.put(gateway_row(spec.id, gateways), held) if gateways else (None, False)
    if held is not None and group is None:
        _release(router, held)
        changed = True
    _, touched = nb.put(router_row(spec, group, chassis), router)
    return changed or touched


def _release(router: Any | None, group: Any) -> None:
    """Remove the group, and before it what refers to it, even from a port that goes in the same transaction."""
    for port in router.ports if router is not None else []:
        if port.ha_chassis_group:
            port.ha_chassis_group = []
    group.delete()


def delete(nb: Northbound, router_id: str) -> bool:
    router = nb.find("Logical_Router", router_name(router_id))
    group = nb.find("HA_Chassis_Group", router_name(router_id))
    if group is not None:
        _release(router, group)
    if router is not None:
        router.delete()
    return router is not None or group is not None
