"""The network's own port that the metadata service stands behind on every host: one a network with DHCP for IPv4."""

from __future__ import annotations

from uuid import uuid4

from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.network.domain.address import choose_free, random_mac
from cloudd.network.domain.records import Ground
from cloudd.network.store.address import Address, address_table
from cloudd.network.store.network import Network
from cloudd.network.store.port import Port, port_table
from cloudd.network.store.subnet import subnet_table

DEVICE_OWNER = "network:distributed"


class MetadataPorts:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._stores = ground.stores

    async def keep(self, tx: Transaction, network: Network) -> None:
        """Give the network's port an address in each subnet that needs one, and no other; without any, no port."""
        column = subnet_table.c
        wanted = await self._stores.subnets.find(tx, column.network_id == network.id, column.ip_version == 4, column.enable_dhcp.is_(True))
        ports = await self._stores.ports.find(tx, port_table.c.network_id == network.id, port_table.c.device_owner == DEVICE_OWNER)
        port = ports[0] if ports else None
        if not wanted:
            if port is not None:
                await self._stores.addresses.delete_where(tx, address_table.c.port_id == port.id)
                await self._stores.ports.delete(tx, port.id)
                await self._ground.changes.mark(tx, "port", port.id)
            return
        if port is None:
            port = Port(
                id=str(uuid4()),
                project_id=network.project_id,
                network_id=network.id,
                status="ACTIVE",
                mac_address=random_mac(self._ground.settings.mac_prefix),
                device_id=f"ovnmeta-{network.id}",
                device_owner=DEVICE_OWNER,
                port_security_enabled=False,
                created_at=now(),
                updated_at=now(),
            )
            await self._stores.ports.insert(tx, port)
        held = {address.subnet_id: address for address in (await self._stores.addresses.of_ports(tx, [port.id]))[port.id]}
        for subnet_id in held.keys() - {subnet.id for subnet in wanted}:
            await self._stores.addresses.delete(tx, held[subnet_id].id)
        for subnet in wanted:
            if subnet.id in held:
                continue
            text = choose_free(subnet.allocation_pools, await self._stores.addresses.used_in(tx, subnet.id), 1)
            if text is not None:  # a full subnet goes without
                await self._stores.addresses.insert(
                    tx, Address(id=str(uuid4()), port_id=port.id, network_id=network.id, subnet_id=subnet.id, ip_address=text)
                )
        await self._ground.changes.mark(tx, "port", port.id)
