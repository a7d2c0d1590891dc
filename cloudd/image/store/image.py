"""Images: what is known of each; the bytes are elsewhere."""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.image.store.member import member_table
from cloudd.kit.db import Id, Json, Moment, metadata
from cloudd.kit.store import Store, json_contains

image_table = sa.Table(
    "image_image",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("name", sa.String(255), index=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("visibility", sa.String(16), nullable=False),
    sa.Column("owner", Id(), nullable=False, index=True),
    sa.Column("disk_format", sa.String(16)),
    sa.Column("container_format", sa.String(16)),
    sa.Column("min_disk", sa.Integer, nullable=False),
    sa.Column("min_ram", sa.Integer, nullable=False),
    sa.Column("protected", sa.Boolean, nullable=False),
    sa.Column("os_hidden", sa.Boolean, nullable=False),
    sa.Column("size", sa.BigInteger),
    sa.Column("virtual_size", sa.BigInteger),
    sa.Column("checksum", sa.String(32)),
    sa.Column("os_hash_algo", sa.String(16)),
    sa.Column("os_hash_value", sa.String(128)),
    sa.Column("tags", Json(), nullable=False),
    sa.Column("properties", Json(), nullable=False),
    sa.Column("created_at", Moment(), nullable=False, index=True),
    sa.Column("updated_at", Moment(), nullable=False),
)


class Image(msgspec.Struct, kw_only=True):
    """min_disk is in GiB, min_ram in MiB, size and virtual_size in bytes."""

    id: str
    name: str | None
    status: str
    visibility: str
    owner: str
    disk_format: str | None = None
    container_format: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    protected: bool = False
    os_hidden: bool = False
    size: int | None = None
    virtual_size: int | None = None
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    tags: list[str] = []
    properties: dict[str, Any] = {}
    created_at: datetime
    updated_at: datetime


def has_tag(tag: str) -> sa.ColumnElement[bool]:
    return json_contains(image_table.c.tags, msgspec.json.encode(tag).decode())


def has_property(name: str, value: str) -> sa.ColumnElement[bool]:
    return json_contains(image_table.c.properties, f"{msgspec.json.encode(name).decode()}:{msgspec.json.encode(value).decode()}")


def shared_with(project_id: str, status: str) -> sa.ColumnElement[bool]:
    """Shared images of which the project is a member; `status` "all" takes every answer it gave."""
    answered = sa.true() if status == "all" else member_table.c.status == status
    members = sa.select(member_table.c.image_id).where(member_table.c.member_id == project_id, answered)
    return sa.and_(image_table.c.visibility == "shared", image_table.c.id.in_(members))


class ImageStore(Store[Image]):
    def __init__(self) -> None:
        super().__init__(image_table, Image)
