"""Puts placement together."""

from cloudd.kit.service import Cloud, Service
from cloudd.kit.web import routes_of
from cloudd.placement.api import aggregate, allocation, candidate, inventory, resource_class, resource_provider, trait, version
from cloudd.placement.client import PlacementClient
from cloudd.placement.domain.aggregate import Aggregates
from cloudd.placement.domain.candidate import Candidates
from cloudd.placement.domain.reshaper import Reshaper
from cloudd.placement.errors import error_body
from cloudd.placement.policy import RULES


def service(cloud: Cloud) -> Service:
    client = PlacementClient(cloud)
    cloud.offer(client)
    return Service(
        name="placement",
        title="Placement API",
        routes=routes_of(version, resource_provider, inventory, allocation, candidate, trait, aggregate, resource_class),
        rules=RULES,
        error_body=error_body,
        versions=version.VERSIONS,
        dependencies={
            "providers": client.providers,
            "inventories": client.inventories,
            "allocations": client.allocations,
            "candidates": Candidates(cloud, client.traits),
            "traits": client.traits,
            "aggregates": Aggregates(cloud, client.providers),
            "classes": client.classes,
            "reshaper": Reshaper(client.allocations),
        },
    )
