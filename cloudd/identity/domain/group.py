"""Groups of users."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloudd.identity.domain.records import Records
from cloudd.identity.errors import RecordNotFound
from cloudd.identity.messages import IdentityChanged
from cloudd.identity.store.group import Group, GroupStore, Membership, MembershipStore, membership_table
from cloudd.identity.store.role import assignment_table
from cloudd.identity.store.user import User, UserStore, user_table
from cloudd.kit.db import Transaction
from cloudd.kit.service import Cloud


class Groups(Records[Group]):
    noun = "group"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud, GroupStore())
        self.memberships = MembershipStore()
        self.users = UserStore()

    async def members(self, group_id: str) -> list[User]:
        await self.get(group_id)
        ids = sa.select(membership_table.c.user_id).where(membership_table.c.group_id == group_id)
        async with self.cloud.db.read() as tx:
            return await self.users.find(tx, user_table.c.id.in_(ids), order=user_table.c.name)

    async def of_user(self, user_id: str) -> list[Group]:
        ids = sa.select(membership_table.c.group_id).where(membership_table.c.user_id == user_id)
        async with self.cloud.db.read() as tx:
            return await self.store.find(tx, self.store.table.c.id.in_(ids), order=self.store.table.c.name)

    async def contains(self, group_id: str, user_id: str) -> bool:
        async with self.cloud.db.read() as tx:
            return await self.memberships.get(tx, f"{group_id}:{user_id}") is not None

    async def add(self, group_id: str, user_id: str) -> None:
        await self.get(group_id)
        async with self.cloud.db.read() as tx:
            if await self.users.get(tx, user_id) is None:
                raise RecordNotFound(noun="user", key=user_id)
        try:
            async with self.cloud.db.write() as tx:
                await self.memberships.insert(tx, Membership(id=f"{group_id}:{user_id}", group_id=group_id, user_id=user_id))
        except IntegrityError:
            return  # already in it: adding is idempotent
        await self.cloud.bus.publish(IdentityChanged())

    async def remove(self, group_id: str, user_id: str) -> None:
        async with self.cloud.db.write() as tx:
            if not await self.memberships.delete(tx, f"{group_id}:{user_id}"):
                raise RecordNotFound(noun="user", key=user_id)
        await self.cloud.bus.publish(IdentityChanged())

    async def forget(self, tx: Transaction, key: str) -> None:
        await tx.execute(sa.delete(membership_table).where(membership_table.c.group_id == key))
        await tx.execute(sa.delete(assignment_table).where(assignment_table.c.actor == "group", assignment_table.c.actor_id == key))
