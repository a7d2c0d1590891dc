"""Members: the projects with which an image is shared."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Moment, metadata
from cloudd.kit.store import Store

member_table = sa.Table(
    "image_member",
    metadata,
    sa.Column("image_id", Id(), primary_key=True),
    sa.Column("member_id", sa.String(255), primary_key=True, index=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
)


class Member(msgspec.Struct):
    image_id: str
    member_id: str
    status: str
    created_at: datetime
    updated_at: datetime


class MemberStore(Store[Member]):
    def __init__(self) -> None:
        super().__init__(member_table, Member)
