"""Users."""

from __future__ import annotations

import sqlalchemy as sa

from cloudd.identity.domain.password import Passwords
from cloudd.identity.domain.records import Records
from cloudd.identity.errors import WrongPassword
from cloudd.identity.messages import IdentityChanged
from cloudd.identity.store.application_credential import application_credential_table
from cloudd.identity.store.credential import credential_table
from cloudd.identity.store.group import membership_table
from cloudd.identity.store.role import assignment_table
from cloudd.identity.store.trust import trust_table
from cloudd.identity.store.user import User, UserStore
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.service import Cloud


class Users(Records[User]):
    noun = "user"

    def __init__(self, cloud: Cloud, passwords: Passwords) -> None:
        super().__init__(cloud, UserStore())
        self.passwords = passwords

    async def set_password(self, user_id: str, password: str) -> None:
        """Store a new password; every token of the user issued so far is void."""
        encoded = await self.passwords.hash(password)
        async with self.cloud.db.write() as tx:
            await self.store.update(tx, user_id, password_hash=encoded, tokens_valid_after=now())
        await self.cloud.bus.publish(IdentityChanged())

    async def change_password(self, user_id: str, original: str, password: str) -> None:
        """By the user itself. Raises WrongPassword."""
        user = await self.get(user_id)
        if not await self.passwords.matches(original, user.password_hash):
            raise WrongPassword
        await self.set_password(user_id, password)

    async def forget(self, tx: Transaction, key: str) -> None:
        c = assignment_table.c
        await tx.execute(sa.delete(assignment_table).where(c.actor == "user", c.actor_id == key))
        await tx.execute(sa.delete(membership_table).where(membership_table.c.user_id == key))
        for table in (application_credential_table, credential_table):
            await tx.execute(sa.delete(table).where(table.c.user_id == key))
        parties = trust_table.c
        await tx.execute(sa.delete(trust_table).where(sa.or_(parties.trustor_user_id == key, parties.trustee_user_id == key)))
