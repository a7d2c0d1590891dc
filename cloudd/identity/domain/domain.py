"""Domains."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cloudd.identity.domain.records import Records
from cloudd.identity.errors import DomainEnabled
from cloudd.identity.store.domain import Domain, DomainStore
from cloudd.identity.store.group import group_table
from cloudd.identity.store.project import project_table
from cloudd.identity.store.role import assignment_table
from cloudd.identity.store.user import user_table
from cloudd.kit.db import Transaction
from cloudd.kit.service import Cloud


class Domains(Records[Domain]):
    noun = "domain"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud, DomainStore())

    async def delete(self, key: str) -> None:
        if (await self.get(key)).enabled:
            raise DomainEnabled
        await super().delete(key)

    async def forget(self, tx: Transaction, key: str) -> None:
        owned = [sa.select(t.c.id).where(t.c.domain_id == key) for t in (project_table, user_table, group_table)]
        for ids in owned:
            await tx.execute(
                sa.delete(assignment_table).where(sa.or_(assignment_table.c.actor_id.in_(ids), assignment_table.c.target_id.in_(ids)))
            )
        for table in (project_table, user_table, group_table):
            await tx.execute(sa.delete(table).where(table.c.domain_id == key))
        await tx.execute(sa.delete(assignment_table).where(assignment_table.c.target_id == key))


def domain_view(domain: Domain) -> dict[str, Any]:
    return {
        "id": domain.id, "name": domain.name, "description": domain.description, "enabled": domain.enabled,
        "tags": domain.tags, "options": {},
    }  # fmt: skip
