"""Fixed addresses for ports: which subnets serve a port, and which addresses it gets."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from uuid import uuid4

import msgspec

from cloudd.kit.db import Transaction
from cloudd.network.domain.address import address_from_mac, choose_free, parse_address, parse_cidr, usable
from cloudd.network.errors import AddressesExhausted, AddressInUse, InvalidInput
from cloudd.network.store.address import Address
from cloudd.network.store.port import Port
from cloudd.network.store.stores import Stores
from cloudd.network.store.subnet import Subnet, subnet_table

MAX_FIXED_IPS = 5


class FixedIpSpec(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    subnet_id: str | None = None
    ip_address: str | None = None


class Allocation:
    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def give(self, tx: Transaction, port: Port, wanted: Sequence[FixedIpSpec] | None) -> list[Address]:
        """Insert the port's addresses. `wanted` None: one of each IP version, as the subnets offer it.

        Raises InvalidInput, AddressInUse, AddressesExhausted; a lost race shows as the unique key's violation.
        """
        subnets = await self._stores.subnets.find(tx, subnet_table.c.network_id == port.network_id, order=subnet_table.c.created_at)
        chosen = await self._by_default(tx, port, subnets) if wanted is None else await self._as_asked(tx, port, subnets, wanted)
        addresses = [
            Address(id=str(uuid4()), port_id=port.id, network_id=port.network_id, subnet_id=subnet.id, ip_address=text, position=place)
            for place, (subnet, text) in enumerate(chosen)
        ]
        await self._stores.addresses.insert_all(tx, addresses)
        return addresses

    async def _by_default(self, tx: Transaction, port: Port, subnets: list[Subnet]) -> list[tuple[Subnet, str]]:
        chosen: list[tuple[Subnet, str]] = []
        for version in (4, 6):
            offered = [subnet for subnet in subnets if subnet.ip_version == version and not subnet.is_auto_address]
            for subnet in offered:
                text = await self._pick(tx, subnet)
                if text is not None:
                    chosen.append((subnet, text))
                    break
            else:
                if offered:
                    raise AddressesExhausted(network_id=port.network_id)
        chosen += [(subnet, _own_address(subnet, port)) for subnet in subnets if subnet.is_auto_address]
        return chosen

    async def _as_asked(
        self, tx: Transaction, port: Port, subnets: list[Subnet], wanted: Sequence[FixedIpSpec]
    ) -> list[tuple[Subnet, str]]:
        if len(wanted) > MAX_FIXED_IPS and not port.device_owner.startswith("network:"):
            raise InvalidInput(reason="Exceeded maximum amount of fixed ips per port.")
        chosen: list[tuple[Subnet, str]] = []
        for item in wanted:
            subnet = self._subnet_of(item, subnets, port)
            if item.ip_address is not None:
                chosen.append((subnet, await self._claim(tx, port, subnet, item.ip_address, {text for _, text in chosen})))
            elif subnet.is_auto_address and not port.device_owner.startswith("network:router"):
                chosen.append((subnet, _own_address(subnet, port)))
            else:
                text = await self._pick(tx, subnet, {text for other, text in chosen if other.id == subnet.id})
                if text is None:
                    raise AddressesExhausted(network_id=port.network_id)
                chosen.append((subnet, text))
        if wanted and not port.device_owner.startswith("network:"):
            asked = {subnet.id for subnet, _ in chosen}
            chosen += [(subnet, _own_address(subnet, port)) for subnet in subnets if subnet.is_auto_address and subnet.id not in asked]
        return chosen

    def _subnet_of(self, item: FixedIpSpec, subnets: list[Subnet], port: Port) -> Subnet:
        if item.subnet_id is not None:
            for subnet in subnets:
                if subnet.id == item.subnet_id:
                    return subnet
            reason = f"Failed to create port on network {port.network_id}, because fixed_ips included invalid subnet {item.subnet_id}"
            raise InvalidInput(reason=reason, type_name="InvalidSubnet")
        if item.ip_address is None:
            raise InvalidInput(reason="IP allocation requires subnet_id or ip_address")
        address = parse_address(item.ip_address, "fixed_ips")
        for subnet in subnets:
            if subnet.ip_version == address.version and address in ipaddress.ip_network(subnet.cidr):
                return subnet
        raise InvalidInput(
            reason=f"IP address {item.ip_address} is not a valid IP for any of the subnets on the specified network.",
            type_name="InvalidIpForNetwork",
        )

    async def _claim(self, tx: Transaction, port: Port, subnet: Subnet, text: str, already: set[str]) -> str:
        address = parse_address(text, "fixed_ips")
        network = parse_cidr(subnet.cidr)
        if not usable(address, network):
            raise InvalidInput(reason=f"IP address {text} is not a valid IP for the specified subnet.", type_name="InvalidIpForSubnet")
        if subnet.is_auto_address and not port.device_owner.startswith("network:router") and str(address) != _own_address(subnet, port):
            reason = f"IPv6 address {text} cannot be assigned to a port on subnet {subnet.id}, where hosts make their own addresses"
            raise InvalidInput(reason=reason, type_name="AllocationOnAutoAddressSubnet")
        if str(address) in already or str(address) in await self._stores.addresses.used_in(tx, subnet.id):
            raise AddressInUse(network_id=port.network_id, ip_address=text)
        return str(address)

    async def _pick(self, tx: Transaction, subnet: Subnet, also_used: set[str] | None = None) -> str | None:
        used = await self._stores.addresses.used_in(tx, subnet.id)
        return choose_free(subnet.allocation_pools, used | (also_used or set()))


def _own_address(subnet: Subnet, port: Port) -> str:
    return address_from_mac(parse_cidr(subnet.cidr), port.mac_address)
