"""Flavors: the sizes servers come in, and the projects that may see private ones."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, Transaction, metadata
from cloudd.kit.store import Store

flavor_table = sa.Table(
    "compute_flavor",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("memory_mib", sa.Integer, nullable=False),
    sa.Column("disk_gib", sa.Integer, nullable=False),
    sa.Column("ephemeral_gib", sa.Integer, nullable=False),
    sa.Column("swap_mib", sa.Integer, nullable=False),
    sa.Column("rxtx_factor", sa.Float, nullable=False),
    sa.Column("is_public", sa.Boolean, nullable=False),
    sa.Column("is_disabled", sa.Boolean, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("extra_specs", Json(), nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
)

flavor_access_table = sa.Table(
    "compute_flavor_access",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("flavor_id", sa.String(255), nullable=False),
    sa.Column("project_id", Id(), nullable=False),
    sa.UniqueConstraint("flavor_id", "project_id"),
)


class Flavor(msgspec.Struct, kw_only=True):
    """A size; a server keeps a copy of the one it was made with."""

    id: str
    name: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    ephemeral_gib: int = 0
    swap_mib: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    is_disabled: bool = False
    description: str | None = None
    extra_specs: dict[str, str] = {}
    created_at: datetime


class FlavorAccess(msgspec.Struct, kw_only=True):
    id: str
    flavor_id: str
    project_id: str


class FlavorStore(Store[Flavor]):
    def __init__(self) -> None:
        super().__init__(flavor_table, Flavor)

    def visible_to(self, project_id: str | None) -> sa.ColumnElement[bool]:
        """Public ones, and private ones the project was given."""
        given = sa.select(flavor_access_table.c.flavor_id).where(flavor_access_table.c.project_id == project_id)
        return sa.or_(flavor_table.c.is_public, flavor_table.c.id.in_(given))


class FlavorAccessStore(Store[FlavorAccess]):
    def __init__(self) -> None:
        super().__init__(flavor_access_table, FlavorAccess)

    async def of(self, tx: Transaction, flavor_id: str) -> list[FlavorAccess]:
        """The projects that were given a flavor."""
        return await self.find(tx, flavor_access_table.c.flavor_id == flavor_id, order=flavor_access_table.c.project_id)

    async def remove(self, tx: Transaction, flavor_id: str, project_id: str | None = None) -> int:
        """Take it away from one project, or from all."""
        where = [flavor_access_table.c.flavor_id == flavor_id]
        if project_id is not None:
            where.append(flavor_access_table.c.project_id == project_id)
        return await self.delete_where(tx, *where)
