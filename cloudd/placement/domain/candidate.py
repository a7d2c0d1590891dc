"""Allocation candidates: every way in which a request could be satisfied now."""

import itertools
import random
from collections.abc import Iterator

import msgspec

from cloudd.kit.service import Cloud
from cloudd.placement.domain.landscape import Group, Landscape, Node
from cloudd.placement.domain.trait import Traits
from cloudd.placement.settings import PlacementSettings
from cloudd.placement.store.allocation import Amounts

#: which nodes satisfy each group, by suffix; several only for the unsuffixed one
Choice = dict[str, list[Node]]


class Request(msgspec.Struct, kw_only=True):
    groups: list[Group]
    limit: int | None = None
    #: no two suffixed groups on one provider
    isolate: bool = False
    #: sets of suffixes whose providers must have one among them above all others
    same_subtree: list[frozenset[str]] = []
    root_required: frozenset[str] = frozenset()
    root_forbidden: frozenset[str] = frozenset()
    #: below microversion 1.29 only roots are offered
    nested: bool = True


class Candidate(msgspec.Struct):
    """By provider what would be taken, and by group suffix from which providers."""

    allocations: dict[str, Amounts]
    mappings: dict[str, list[str]]


class Candidates:
    def __init__(self, cloud: Cloud, traits: Traits) -> None:
        self.cloud = cloud
        self.traits = traits

    async def find(self, request: Request) -> tuple[list[Candidate], Landscape]:
        async with self.cloud.db.read() as tx:
            await self.traits.check(tx, {name for group in request.groups for some in group.required for name in some})
            landscape = await Landscape.load(tx)
        shuffle = self.cloud.settings.section(PlacementSettings).randomize_allocation_candidates
        found = search(landscape, request)
        if shuffle:
            everything = list(found)
            random.shuffle(everything)
            return everything[: request.limit], landscape
        return list(itertools.islice(found, request.limit)), landscape

    async def admitted(self, group: Group) -> set[str]:
        """The providers that satisfy a group each by itself; sharing ones help nobody here."""
        async with self.cloud.db.read() as tx:
            await self.traits.check(tx, {name for some in group.required for name in some})
            landscape = await Landscape.load(tx)
        nodes = [node for node in landscape.nodes.values() if landscape.admits(node, group)]
        return {node.provider.id for found in single(nodes, group) for node in found}


def search(landscape: Landscape, request: Request) -> Iterator[Candidate]:
    """Candidates in order of the trees, each once."""
    seen: set[bytes] = set()
    for root_id, tree in landscape.trees.items():
        root = landscape.nodes[root_id]
        if request.root_required - root.traits or request.root_forbidden & root.traits:
            continue
        pool = landscape.pool(root_id)
        if not request.nested:
            pool = [node for node in pool if node.provider.parent_id is None]
        for choice in choices(landscape, pool, request):
            # A choice of sharing providers alone belongs to their own trees.
            if not any(node in tree for nodes in choice.values() for node in nodes) or not is_sound(landscape, request, choice):
                continue
            candidate = assemble(request, choice)
            if not all(landscape.nodes[key].fits(name, n) for key, amounts in candidate.allocations.items() for name, n in amounts.items()):
                continue
            identity = msgspec.json.encode(candidate, order="sorted")
            if identity not in seen:
                seen.add(identity)
                yield candidate


def choices(landscape: Landscape, pool: list[Node], request: Request) -> Iterator[Choice]:
    options: list[list[list[Node]]] = []
    for group in request.groups:
        admitted = [node for node in pool if landscape.admits(node, group)]
        possible = list(spread(admitted, group)) if group.suffix == "" else list(single(admitted, group))
        if not possible:
            return
        options.append(possible)
    for combination in itertools.product(*options):
        yield {group.suffix: nodes for group, nodes in zip(request.groups, combination, strict=True)}


def single(nodes: list[Node], group: Group) -> Iterator[list[Node]]:
    """One provider has all that the group asks for."""
    for node in nodes:
        if all(some & node.traits for some in group.required) and all(node.fits(name, amount) for name, amount in group.resources.items()):
            yield [node]


def spread(nodes: list[Node], group: Group) -> Iterator[list[Node]]:
    """Each class from one provider, in order of the group's classes; the traits together from them all."""
    by_class = [[node for node in nodes if node.fits(name, amount)] for name, amount in group.resources.items()]
    for combination in itertools.product(*by_class):
        traits = set().union(*(node.traits for node in combination))
        if all(some & traits for some in group.required):
            yield list(combination)


def is_sound(landscape: Landscape, request: Request, choice: Choice) -> bool:
    """Whether the groups' providers stand to each other as the request demands."""
    suffixed = [nodes[0].provider.id for suffix, nodes in choice.items() if suffix]
    if request.isolate and len(set(suffixed)) < len(suffixed):
        return False
    for suffixes in request.same_subtree:
        together = [choice[suffix][0] for suffix in suffixes]
        if not any(all(landscape.is_below(node, top) for node in together) for top in together):
            return False
    return True


def assemble(request: Request, choice: Choice) -> Candidate:
    allocations: dict[str, Amounts] = {}
    mappings: dict[str, list[str]] = {}
    for group in request.groups:
        nodes = choice[group.suffix]
        sources = nodes if group.suffix == "" else nodes * len(group.resources)
        for (name, amount), node in zip(group.resources.items(), sources, strict=True):
            taken = allocations.setdefault(node.provider.id, {})
            taken[name] = taken.get(name, 0) + amount
        mappings[group.suffix] = list(dict.fromkeys(node.provider.id for node in nodes))
    return Candidate(allocations, mappings)
