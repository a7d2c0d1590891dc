"""Attachments: which server uses a volume, and how its host reaches it."""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, metadata
from cloudd.kit.store import Store

attachment_table = sa.Table(
    "volume_attachment",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("volume_id", Id(), sa.ForeignKey("volume_volume.id"), nullable=False, index=True),
    sa.Column("project_id", Id(), nullable=False, index=True),
    sa.Column("server_id", Id(), index=True),
    sa.Column("host", sa.String(255)),
    sa.Column("device", sa.String(255)),
    sa.Column("mode", sa.String(8), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("connection", Json()),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("attached_at", Moment()),
)


class Attachment(msgspec.Struct, kw_only=True):
    """status: reserved, attaching or attached; `mode` is rw or ro."""

    id: str
    volume_id: str
    project_id: str
    server_id: str | None = None
    host: str | None = None
    device: str | None = None
    mode: str = "rw"
    status: str = "reserved"
    connection: dict[str, Any] | None = None
    created_at: datetime
    attached_at: datetime | None = None


class AttachmentStore(Store[Attachment]):
    def __init__(self) -> None:
        super().__init__(attachment_table, Attachment)
