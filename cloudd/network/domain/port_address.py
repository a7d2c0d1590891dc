"""Fixed addresses added to and taken from a server's ports, as compute asks for them."""

from __future__ import annotations

from cloudd.kit.auth import Context, system_context
from cloudd.network.domain.allocation import FixedIpSpec
from cloudd.network.domain.port import PortDetail, Ports
from cloudd.network.domain.port_spec import PortUpdate
from cloudd.network.domain.records import Ground
from cloudd.network.errors import InvalidInput
from cloudd.network.store.address import address_table
from cloudd.network.store.port import port_table


class PortAddresses:
    def __init__(self, ground: Ground, ports: Ports) -> None:
        self._ground = ground
        self._stores = ground.stores
        self._ports = ports

    async def add(self, ctx: Context, device_id: str, network_id: str) -> None:
        """Another address for the server's first port in the network. InvalidInput where it has none there, AddressesExhausted."""
        column = port_table.c
        async with self._ground.cloud.db.read() as tx:
            ports = await self._stores.ports.find(
                tx, column.device_id == device_id, column.network_id == network_id, order=column.created_at, limit=1
            )
        if not ports:
            raise InvalidInput(reason=f"Instance {device_id} has no port with an address in network {network_id}.")
        port = await self._ports.get(ctx, ports[0].id)
        subnets = [address.subnet_id for address in port.addresses]
        if not subnets:
            raise InvalidInput(reason=f"Instance {device_id} has no port with an address in network {network_id}.")
        await self._set(ctx, port, [*_held(port), FixedIpSpec(subnet_id=subnets[0])])

    async def remove(self, ctx: Context, device_id: str, address: str) -> None:
        """The server's port gives the address back. InvalidInput where no port has it."""
        async with self._ground.cloud.db.read() as tx:
            ports = await self._stores.ports.find(tx, port_table.c.device_id == device_id)
            column = address_table.c
            held = await self._stores.addresses.find(tx, column.port_id.in_([port.id for port in ports]), column.ip_address == address)
        if not held:
            raise InvalidInput(reason=f"Instance {device_id} does not have fixed IP {address}.")
        port = await self._ports.get(ctx, held[0].port_id)
        await self._set(ctx, port, [spec for spec in _held(port) if spec.ip_address != address])

    async def _set(self, ctx: Context, port: PortDetail, specs: list[FixedIpSpec]) -> None:
        # The network may be another project's that is shared: whoever may change the server may give it an address.
        await self._ports.update(system_context(ctx.request_id, ctx.project_id), port.port.id, PortUpdate(fixed_ips=specs))


def _held(port: PortDetail) -> list[FixedIpSpec]:
    return [FixedIpSpec(subnet_id=address.subnet_id, ip_address=address.ip_address) for address in port.addresses]
