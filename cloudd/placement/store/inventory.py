"""Inventories: how much of a resource class a provider has."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, metadata
from cloudd.kit.store import Store

inventory_table = sa.Table(
    "placement_inventory",
    metadata,
    sa.Column("provider_id", Id(), sa.ForeignKey("placement_resource_provider.id"), primary_key=True),
    sa.Column("resource_class", sa.String(255), primary_key=True, index=True),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("reserved", sa.Integer, nullable=False),
    sa.Column("min_unit", sa.Integer, nullable=False),
    sa.Column("max_unit", sa.Integer, nullable=False),
    sa.Column("step_size", sa.Integer, nullable=False),
    sa.Column("allocation_ratio", sa.Float, nullable=False),
)


class Inventory(msgspec.Struct):
    provider_id: str
    resource_class: str
    total: int
    reserved: int
    min_unit: int
    max_unit: int
    step_size: int
    allocation_ratio: float

    @property
    def capacity(self) -> int:
        return int((self.total - self.reserved) * self.allocation_ratio)

    def takes(self, amount: int) -> bool:
        """Whether one allocation may be of this size at all."""
        return self.min_unit <= amount <= self.max_unit and amount % self.step_size == 0


class InventoryStore(Store[Inventory]):
    def __init__(self) -> None:
        super().__init__(inventory_table, Inventory)
