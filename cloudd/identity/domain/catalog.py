"""Regions, services and endpoints; and the catalog made of them."""

from __future__ import annotations

import contextlib
from typing import Any

import sqlalchemy as sa

from cloudd.identity.domain.records import Records
from cloudd.identity.errors import NameTaken
from cloudd.identity.store.catalog import CatalogService, CatalogServiceStore, Endpoint, EndpointStore, Region, RegionStore, endpoint_table
from cloudd.kit.db import Transaction
from cloudd.kit.service import Cloud


class Regions(Records[Region]):
    noun = "region"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud, RegionStore())

    async def ensure(self, key: str) -> str:
        """The id of the region, which is made if there is none."""
        with contextlib.suppress(NameTaken):
            await self.create(Region(id=key))
        return key


class CatalogServices(Records[CatalogService]):
    noun = "service"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud, CatalogServiceStore())

    async def forget(self, tx: Transaction, key: str) -> None:
        await tx.execute(sa.delete(endpoint_table).where(endpoint_table.c.service_id == key))


class Endpoints(Records[Endpoint]):
    noun = "endpoint"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud, EndpointStore())


class Catalog:
    """The catalog as tokens carry it."""

    def __init__(self, services: CatalogServices, endpoints: Endpoints) -> None:
        self.services = services
        self.endpoints = endpoints

    async def view(self, tx: Transaction, project_id: str | None) -> list[dict[str, Any]]:
        """Enabled services with their enabled endpoints; project ids are filled into the URLs."""
        endpoints: dict[str, list[dict[str, Any]]] = {}
        for e in await self.endpoints.store.find(tx, order=endpoint_table.c.id):
            if not e.enabled:
                continue
            url = e.url.replace("$(project_id)s", project_id or "").replace("%(project_id)s", project_id or "")
            shown = {"id": e.id, "interface": e.interface, "region": e.region_id, "region_id": e.region_id, "url": url}
            endpoints.setdefault(e.service_id, []).append(shown)
        return [
            {"id": s.id, "type": s.type, "name": s.name, "endpoints": endpoints.get(s.id, [])}
            for s in await self.services.store.find(tx, order=self.services.store.table.c.type)
            if s.enabled
        ]
