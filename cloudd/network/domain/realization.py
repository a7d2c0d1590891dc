"""The specs of what the engine must hold, made from the rows."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import msgspec

from cloudd.kit.db import Transaction
from cloudd.network.domain.router import GATEWAY, INTERFACE
from cloudd.network.drivers.base import (
    AddressPair,
    DhcpOption,
    FixedIp,
    Kind,
    Nat,
    NetworkSpec,
    PortSpec,
    Route,
    RouterPort,
    RouterSpec,
    SecurityGroupSpec,
    SecurityRule,
    SubnetSpec,
)
from cloudd.network.store.floating_ip import floating_ip_table
from cloudd.network.store.network import Network, network_table
from cloudd.network.store.port import Port, port_table
from cloudd.network.store.router import Router
from cloudd.network.store.security_group_rule import security_group_rule_table
from cloudd.network.store.stores import Stores
from cloudd.network.store.subnet import Subnet, subnet_table

METADATA = "network:distributed"
#: Ports that hold an address and are realised by something else than a switch port.
UNREALISED = ("network:floatingip",)
ROLES = {METADATA: "metadata", INTERFACE: "router_interface", GATEWAY: "router_gateway"}


class Realization:
    def __init__(self, stores: Stores, dns_nameservers: Sequence[str]) -> None:
        self._stores = stores
        self._dns_nameservers = tuple(dns_nameservers)

    async def ids(self, tx: Transaction) -> dict[Kind, dict[str, int]]:
        """Every object that the engine should hold: kind, id, revision."""
        ports = await self._stores.ports.find(tx, port_table.c.device_owner.not_in(UNREALISED))
        return {
            "network": {item.id: item.revision for item in await self._stores.networks.find(tx)},
            "security_group": {item.id: item.revision for item in await self._stores.groups.find(tx)},
            "port": {item.id: item.revision for item in ports},
            "router": {item.id: item.revision for item in await self._stores.routers.find(tx)},
        }

    async def network(self, tx: Transaction, network_id: str) -> NetworkSpec | None:
        network = await self._stores.networks.get(tx, network_id)
        if network is None:
            return None
        subnets = await self._stores.subnets.find(tx, subnet_table.c.network_id == network_id, order=subnet_table.c.id)
        metadata: dict[str, str] = {}
        for port in await self._stores.ports.find(tx, port_table.c.network_id == network_id, port_table.c.device_owner == METADATA):
            metadata = {item.subnet_id: item.ip_address for item in (await self._stores.addresses.of_ports(tx, [port.id]))[port.id]}
        return NetworkSpec(
            id=network.id,
            revision=network.revision,
            name=network.name,
            mtu=network.mtu,
            network_type=network.network_type,
            physical_network=network.physical_network,
            segmentation_id=network.segmentation_id,
            subnets=tuple(self._subnet(subnet, metadata.get(subnet.id)) for subnet in subnets),
        )

    def _subnet(self, subnet: Subnet, metadata_address: str | None) -> SubnetSpec:
        own = tuple(item for item in self._dns_nameservers if (":" in item) == (subnet.ip_version == 6))
        return SubnetSpec(
            id=subnet.id,
            cidr=subnet.cidr,
            ip_version=subnet.ip_version,
            gateway_ip=subnet.gateway_ip,
            enable_dhcp=subnet.enable_dhcp,
            dns_nameservers=tuple(subnet.dns_nameservers) or own,
            host_routes=routes_of(subnet.host_routes),
            ipv6_address_mode=subnet.ipv6_address_mode,
            metadata_address=metadata_address,
        )

    async def port(self, tx: Transaction, port_id: str) -> PortSpec | None:
        port = await self._stores.ports.get(tx, port_id)
        if port is None or port.device_owner in UNREALISED:
            return None
        network = await self._stores.networks.get(tx, port.network_id)
        addresses = (await self._stores.addresses.of_ports(tx, [port_id]))[port_id]
        groups = (await self._stores.ports.groups_of(tx, [port_id]))[port_id]
        role = ROLES.get(port.device_owner, "guest")
        trusted = role != "guest" or port.device_owner.startswith("network:")
        return PortSpec(
            id=port.id,
            revision=port.revision,
            name=port.name,
            network_id=port.network_id,
            mac_address=port.mac_address,
            role=role,
            fixed_ips=tuple(FixedIp(item.subnet_id, item.ip_address) for item in addresses),
            device_id=port.device_id,
            host=port.binding_host,
            destination=port.binding_destination,
            enabled=port.admin_state_up and (network is None or network.admin_state_up),
            port_security=port.port_security_enabled and not trusted,
            address_pairs=tuple(AddressPair(item["ip_address"], item.get("mac_address")) for item in port.allowed_address_pairs),
            security_group_ids=tuple(groups),
            dhcp_options=tuple(DhcpOption(item["opt_name"], item["opt_value"], item["ip_version"]) for item in port.extra_dhcp_opts),
        )

    async def security_group(self, tx: Transaction, group_id: str) -> SecurityGroupSpec | None:
        group = await self._stores.groups.get(tx, group_id)
        if group is None:
            return None
        column = security_group_rule_table.c
        rules = tuple(
            SecurityRule(
                id=rule.id,
                direction=rule.direction,
                ethertype=rule.ethertype,
                protocol=rule.protocol,
                port_range_min=rule.port_range_min,
                port_range_max=rule.port_range_max,
                remote_ip_prefix=rule.remote_ip_prefix,
                remote_group_id=rule.remote_group_id,
            )
            for rule in await self._stores.rules.find(tx, column.security_group_id == group_id, order=column.id)
        )
        return SecurityGroupSpec(id=group.id, revision=group.revision, name=group.name, rules=rules)

    async def router(self, tx: Transaction, router_id: str) -> RouterSpec | None:
        router = await self._stores.routers.get(tx, router_id)
        if router is None:
            return None
        column = port_table.c
        ports = await self._stores.ports.find(
            tx, column.device_id == router_id, column.device_owner.in_((INTERFACE, GATEWAY)), order=column.id
        )
        held = await self._stores.addresses.of_ports(tx, [port.id for port in ports])
        networks = {
            item.id: item for item in await self._stores.networks.find(tx, network_table.c.id.in_({port.network_id for port in ports}))
        }
        ids = {address.subnet_id for addresses in held.values() for address in addresses}
        subnets = {item.id: item for item in await self._stores.subnets.find(tx, subnet_table.c.id.in_(ids))}
        legs = [(port, [(item.ip_address, subnets[item.subnet_id]) for item in held[port.id]]) for port in ports]
        outside = [leg for leg in legs if leg[0].device_owner == GATEWAY]
        gateway_network = networks.get(router.gateway_network_id or "")
        return RouterSpec(
            id=router.id,
            revision=router.revision,
            name=router.name,
            enabled=router.admin_state_up,
            ports=tuple(_leg(port, addresses, networks[port.network_id]) for port, addresses in legs),
            routes=routes_of(router.routes)
            + tuple(_default_route(subnet) for _, addresses in outside for _, subnet in addresses if subnet.gateway_ip),
            nats=await self._nats(tx, router, legs),
            gateway_physical_network=gateway_network.physical_network if gateway_network else None,
        )

    async def _nats(self, tx: Transaction, router: Router, legs: list[tuple[Port, list[tuple[str, Subnet]]]]) -> tuple[Nat, ...]:
        """Floating IPs, and one translation for each IPv4 subnet behind the router to the gateway's address."""
        nats = await self._floating(tx, router)
        outside = [text for port, held in legs if port.device_owner == GATEWAY for text, subnet in held if subnet.ip_version == 4]
        if outside and router.enable_snat:
            inside = [subnet for port, held in legs if port.device_owner == INTERFACE for _, subnet in held if subnet.ip_version == 4]
            nats += [Nat(id=f"snat-{subnet.id}", kind="snat", external=outside[0], logical=subnet.cidr) for subnet in inside]
        return tuple(nats)

    async def _floating(self, tx: Transaction, router: Router) -> list[Nat]:
        """Floating IPs, with what the server's own host needs to speak for them; for servers in bridged networks the gateway does."""
        found = await self._stores.floating_ips.find(tx, floating_ip_table.c.router_id == router.id, order=floating_ip_table.c.id)
        ids = {item.port_id for item in found if item.port_id} | {item.holder_port_id for item in found}
        ports = {port.id: port for port in await self._stores.ports.find(tx, port_table.c.id.in_(ids))}
        networks = {port.network_id for port in ports.values()}
        tunnelled = (network_table.c.id.in_(networks), network_table.c.physical_network.is_(None))
        local = {network.id for network in await self._stores.networks.find(tx, *tunnelled)}
        nats = []
        for item in found:
            port, holder = ports.get(item.port_id or ""), ports.get(item.holder_port_id)
            nat = Nat(
                id=f"floating-{item.id}", kind="dnat_and_snat", external=item.floating_ip_address, logical=item.fixed_ip_address or ""
            )
            if port is not None and holder is not None and port.network_id in local:
                nat = msgspec.structs.replace(nat, logical_port=port.id, external_mac=holder.mac_address, host=port.binding_host)
            nats.append(nat)
        return nats


def routes_of(routes: list[dict[str, str]]) -> tuple[Route, ...]:
    return tuple(Route(route["destination"], route["nexthop"]) for route in routes)


def _default_route(subnet: Subnet) -> Route:
    return Route("0.0.0.0/0" if subnet.ip_version == 4 else "::/0", subnet.gateway_ip or "")


def _leg(port: Port, addresses: list[tuple[str, Subnet]], network: Network) -> RouterPort:
    modes = [subnet.ipv6_ra_mode for _, subnet in addresses if subnet.ipv6_ra_mode and subnet.enable_dhcp]
    return RouterPort(
        port_id=port.id,
        mac_address=port.mac_address,
        mtu=network.mtu,
        gateway=port.device_owner == GATEWAY,
        bridged=network.physical_network is not None,
        addresses=tuple(f"{text}/{ipaddress.ip_network(subnet.cidr).prefixlen}" for text, subnet in addresses),
        ipv6_ra_mode=modes[0] if modes else None,
    )
