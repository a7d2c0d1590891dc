"""Roles, and their assignments to users and groups on projects, domains and the system."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Transaction, metadata
from cloudd.kit.store import Store

role_table = sa.Table(
    "identity_role",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("domain_id", Id()),
    sa.Column("description", sa.Text),
)

assignment_table = sa.Table(
    "identity_assignment",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("role_id", Id(), nullable=False, index=True),
    sa.Column("actor", sa.String(8), nullable=False),
    sa.Column("actor_id", Id(), nullable=False, index=True),
    sa.Column("target", sa.String(8), nullable=False),
    sa.Column("target_id", Id(), nullable=False, index=True),
    sa.Column("inherited", sa.Boolean, nullable=False),
)


class Role(msgspec.Struct, kw_only=True):
    id: str
    name: str
    domain_id: str | None = None
    description: str | None = None


class Assignment(msgspec.Struct, kw_only=True):
    #: all the other fields joined, so that granting twice is one row
    id: str
    role_id: str
    #: "user" or "group"
    actor: str
    actor_id: str
    #: "project", "domain" or "system" (whose id is "all")
    target: str
    target_id: str
    #: on the projects below the target rather than on itself (OS-INHERIT)
    inherited: bool = False


class RoleStore(Store[Role]):
    def __init__(self) -> None:
        super().__init__(role_table, Role)


class AssignmentStore(Store[Assignment]):
    def __init__(self) -> None:
        super().__init__(assignment_table, Assignment)

    async def of_actors(self, tx: Transaction, user_id: str, group_ids: list[str]) -> list[Assignment]:
        """What a user holds, directly and by its groups."""
        c = assignment_table.c
        mine = sa.or_(sa.and_(c.actor == "user", c.actor_id == user_id), sa.and_(c.actor == "group", c.actor_id.in_(group_ids)))
        return await self.find(tx, mine)
