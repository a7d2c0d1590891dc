"""Volume types, and which projects may use the private ones."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, metadata
from cloudd.kit.store import Store

volume_type_table = sa.Table(
    "volume_type",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("description", sa.String(255)),
    sa.Column("is_public", sa.Boolean, nullable=False),
    sa.Column("extra_specs", Json(), nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
)

type_access_table = sa.Table(
    "volume_type_access",
    metadata,
    sa.Column("type_id", Id(), sa.ForeignKey("volume_type.id"), primary_key=True),
    sa.Column("project_id", Id(), primary_key=True),
)


class VolumeType(msgspec.Struct, kw_only=True):
    id: str
    name: str
    description: str | None = None
    is_public: bool = True
    extra_specs: dict[str, str] = {}
    created_at: datetime


class TypeAccess(msgspec.Struct):
    type_id: str
    project_id: str


class VolumeTypeStore(Store[VolumeType]):
    def __init__(self) -> None:
        super().__init__(volume_type_table, VolumeType)


class TypeAccessStore(Store[TypeAccess]):
    def __init__(self) -> None:
        super().__init__(type_access_table, TypeAccess)
