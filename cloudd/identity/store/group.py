"""Groups of users, and who is in them."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, metadata
from cloudd.kit.store import Store

group_table = sa.Table(
    "identity_group",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("domain_id", Id(), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.UniqueConstraint("domain_id", "name"),
)

membership_table = sa.Table(
    "identity_membership",
    metadata,
    sa.Column("id", sa.String(160), primary_key=True),
    sa.Column("group_id", Id(), nullable=False, index=True),
    sa.Column("user_id", Id(), nullable=False, index=True),
)


class Group(msgspec.Struct, kw_only=True):
    id: str
    domain_id: str
    name: str
    description: str = ""


class Membership(msgspec.Struct, kw_only=True):
    #: "<group id>:<user id>"
    id: str
    group_id: str
    user_id: str


class GroupStore(Store[Group]):
    def __init__(self) -> None:
        super().__init__(group_table, Group)


class MembershipStore(Store[Membership]):
    def __init__(self) -> None:
        super().__init__(membership_table, Membership)
