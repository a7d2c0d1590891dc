"""A picture of all providers with what they have, are and lost: what candidates are searched in."""

import msgspec

from cloudd.kit.db import Transaction
from cloudd.placement.domain.trait import SHARING
from cloudd.placement.store.aggregate import AggregateStore
from cloudd.placement.store.allocation import AllocationStore, Amounts
from cloudd.placement.store.inventory import Inventory, InventoryStore
from cloudd.placement.store.resource_provider import ResourceProvider, ResourceProviderStore
from cloudd.placement.store.trait import ProviderTraitStore


class Group(msgspec.Struct, kw_only=True):
    """One request group: what must come together. The unsuffixed one ("") may spread over a tree."""

    suffix: str = ""
    resources: Amounts = {}
    #: of each set the provider must have one
    required: list[frozenset[str]] = []
    forbidden: frozenset[str] = frozenset()
    member_of: list[frozenset[str]] = []
    not_member_of: frozenset[str] = frozenset()
    in_tree: str | None = None


class Node(msgspec.Struct):
    """One provider in the picture."""

    provider: ResourceProvider
    inventories: dict[str, Inventory]
    used: Amounts
    traits: set[str]
    aggregates: set[str]

    def fits(self, name: str, amount: int) -> bool:
        inventory = self.inventories.get(name)
        return inventory is not None and inventory.takes(amount) and self.used.get(name, 0) + amount <= inventory.capacity

    def free(self) -> Amounts:
        return {name: inventory.capacity - self.used.get(name, 0) for name, inventory in self.inventories.items()}


class Landscape:
    """All nodes by id, and by tree."""

    def __init__(self, nodes: dict[str, Node]) -> None:
        self.nodes = nodes
        self.trees: dict[str, list[Node]] = {}
        for node in nodes.values():
            self.trees.setdefault(node.provider.root_id, []).append(node)
        self.sharing = [node for node in nodes.values() if SHARING in node.traits]

    @classmethod
    async def load(cls, tx: Transaction) -> "Landscape":
        nodes = {provider.id: Node(provider, {}, {}, set(), set()) for provider in await ResourceProviderStore().find(tx)}
        for inventory in await InventoryStore().find(tx):
            nodes[inventory.provider_id].inventories[inventory.resource_class] = inventory
        for provider_id, amounts in (await AllocationStore().usages(tx)).items():
            nodes[provider_id].used = amounts
        for row in await ProviderTraitStore().find(tx):
            nodes[row.provider_id].traits.add(row.trait)
        for member in await AggregateStore().find(tx):
            nodes[member.provider_id].aggregates.add(member.aggregate_id)
        return cls(nodes)

    def pool(self, root_id: str) -> list[Node]:
        """A tree's nodes and the sharing providers that an aggregate ties to it."""
        tree = self.trees[root_id]
        aggregates = set().union(*(node.aggregates for node in tree))
        return [*tree, *(node for node in self.sharing if node.provider.root_id != root_id and node.aggregates & aggregates)]

    def admits(self, node: Node, group: Group) -> bool:
        """Whether a group's filters, other than its resources and required traits, let the provider in."""
        if group.forbidden & node.traits:
            return False
        if group.in_tree is not None:
            asked = self.nodes.get(group.in_tree)
            if asked is None or asked.provider.root_id != node.provider.root_id:
                return False
        # What holds for the root holds for the tree.
        aggregates = node.aggregates | self.nodes[node.provider.root_id].aggregates
        return all(some & aggregates for some in group.member_of) and not group.not_member_of & aggregates

    def is_below(self, node: Node, ancestor: Node) -> bool:
        """Whether `ancestor` is the node or above it."""
        current: Node | None = node
        while current is not None:
            if current is ancestor:
                return True
            current = self.nodes[current.provider.parent_id] if current.provider.parent_id else None
        return False
