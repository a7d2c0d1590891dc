"""Fixed addresses: the unique key on subnet and address is what keeps two ports from getting the same one."""

from collections.abc import Collection

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Transaction, metadata
from cloudd.kit.store import Store

address_table = sa.Table(
    "network_address",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("port_id", Id(), nullable=False, index=True),
    sa.Column("network_id", Id(), nullable=False, index=True),
    sa.Column("subnet_id", Id(), nullable=False),
    sa.Column("ip_address", sa.String(64), nullable=False),
    # The order in which the port's addresses were asked for.
    sa.Column("position", sa.Integer, nullable=False),
    sa.UniqueConstraint("subnet_id", "ip_address"),
)


class Address(msgspec.Struct, kw_only=True):
    id: str
    port_id: str
    network_id: str
    subnet_id: str
    ip_address: str
    position: int = 0


class AddressStore(Store[Address]):
    def __init__(self) -> None:
        super().__init__(address_table, Address)

    async def of_ports(self, tx: Transaction, port_ids: Collection[str]) -> dict[str, list[Address]]:
        """Port id to its addresses, in order."""
        found: dict[str, list[Address]] = {port_id: [] for port_id in port_ids}
        for address in await self.find(tx, address_table.c.port_id.in_(port_ids), order=address_table.c.position):
            found[address.port_id].append(address)
        return found

    async def used_in(self, tx: Transaction, subnet_id: str) -> set[str]:
        """Every address of the subnet that is taken."""
        rows = await tx.rows(sa.select(address_table.c.ip_address).where(address_table.c.subnet_id == subnet_id))
        return {row["ip_address"] for row in rows}
