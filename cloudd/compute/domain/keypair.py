"""Keypairs: made here or brought along; only the public half is kept."""

import asyncio
import secrets
import uuid

from sqlalchemy.exc import IntegrityError

from cloudd.compute.domain import key_material
from cloudd.compute.domain.quota import Quotas
from cloudd.compute.errors import KeypairNotFound, KeypairTaken
from cloudd.compute.store.keypair import Keypair, KeypairStore, keypair_table
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.errors import BadRequest
from cloudd.kit.paging import Page
from cloudd.kit.service import Cloud


class Keypairs:
    """They belong to a user, not to a project."""

    def __init__(self, cloud: Cloud, quotas: Quotas) -> None:
        self.db = cloud.db
        self.store = KeypairStore()
        self.quotas = quotas

    async def create(self, user_id: str, project_id: str, name: str, kind: str, public_key: str | None) -> tuple[Keypair, str | None]:
        """The keypair and, if it was made here, its private key in PEM. KeypairTaken, QuotaExceeded, BadRequest for a bad key."""
        private_key = None
        if public_key is None:
            private_key, made = await asyncio.to_thread(key_material.generate, kind, user_id)
            public_key = str(made)
        try:
            fingerprint = key_material.fingerprint(kind, public_key)
        except ValueError as error:
            raise BadRequest(reason=f"Keypair data is invalid: {error}") from None
        keypair = Keypair(
            id=str(uuid.uuid4()),
            number=secrets.randbelow(2**31 - 1) + 1,
            user_id=user_id,
            name=name,
            type=kind,
            public_key=public_key,
            fingerprint=fingerprint,
            created_at=now(),
        )
        try:
            async with self.db.write() as tx:
                await self.quotas.check_keypairs(tx, project_id, user_id)
                await self.store.insert(tx, keypair)
        except IntegrityError:
            raise KeypairTaken(name=name) from None
        return keypair, private_key

    async def get(self, user_id: str, name: str) -> Keypair:
        """KeypairNotFound."""
        async with self.db.read() as tx:
            return await self.of(tx, user_id, name)

    async def of(self, tx: Transaction, user_id: str, name: str) -> Keypair:
        """The same within a transaction."""
        rows = await self.store.find(tx, keypair_table.c.user_id == user_id, keypair_table.c.name == name)
        if not rows:
            raise KeypairNotFound(name=name, user_id=user_id)
        return rows[0]

    async def page(self, user_id: str, page: Page) -> list[Keypair]:
        """A user's keypairs; the marker is a name."""
        async with self.db.read() as tx:
            if page.marker is not None:
                page.marker = (await self.of(tx, user_id, page.marker)).id
            return await self.store.page(tx, page, keypair_table.c.user_id == user_id)

    async def delete(self, user_id: str, name: str) -> None:
        """Servers keep the key they were made with."""
        async with self.db.write() as tx:
            keypair = await self.of(tx, user_id, name)
            await self.store.delete(tx, keypair.id)
