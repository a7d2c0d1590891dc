"""The catalog's three nouns: regions, services and their endpoints."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, metadata
from cloudd.kit.store import Store

region_table = sa.Table(
    "identity_region",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("parent_region_id", Id()),
)

service_table = sa.Table(
    "identity_service",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
)

endpoint_table = sa.Table(
    "identity_endpoint",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("service_id", Id(), nullable=False, index=True),
    sa.Column("region_id", Id()),
    sa.Column("interface", sa.String(16), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
)


class Region(msgspec.Struct, kw_only=True):
    id: str
    description: str = ""
    parent_region_id: str | None = None


class CatalogService(msgspec.Struct, kw_only=True):
    id: str
    type: str
    name: str = ""
    description: str = ""
    enabled: bool = True


class Endpoint(msgspec.Struct, kw_only=True):
    id: str
    service_id: str
    region_id: str | None = None
    interface: str
    url: str
    enabled: bool = True


class RegionStore(Store[Region]):
    def __init__(self) -> None:
        super().__init__(region_table, Region)


class CatalogServiceStore(Store[CatalogService]):
    def __init__(self) -> None:
        super().__init__(service_table, CatalogService)


class EndpointStore(Store[Endpoint]):
    def __init__(self) -> None:
        super().__init__(endpoint_table, Endpoint)
