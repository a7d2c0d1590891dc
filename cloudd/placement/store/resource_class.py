"""Resource classes: kinds of countable things. Standard ones are the library's; custom ones are rows."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import metadata
from cloudd.kit.store import Store

resource_class_table = sa.Table("placement_resource_class", metadata, sa.Column("id", sa.String(255), primary_key=True))


class ResourceClass(msgspec.Struct):
    id: str


class ResourceClassStore(Store[ResourceClass]):
    def __init__(self) -> None:
        super().__init__(resource_class_table, ResourceClass)
