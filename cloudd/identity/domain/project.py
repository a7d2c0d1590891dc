"""Projects."""

from __future__ import annotations

import sqlalchemy as sa

from cloudd.identity.domain.records import Records
from cloudd.identity.store.application_credential import application_credential_table
from cloudd.identity.store.credential import credential_table
from cloudd.identity.store.project import Project, ProjectStore
from cloudd.identity.store.role import assignment_table
from cloudd.identity.store.trust import trust_table
from cloudd.kit.db import Transaction
from cloudd.kit.service import Cloud


class Projects(Records[Project]):
    noun = "project"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud, ProjectStore())

    async def forget(self, tx: Transaction, key: str) -> None:
        c = assignment_table.c
        await tx.execute(sa.delete(assignment_table).where(c.target == "project", c.target_id == key))
        for table in (application_credential_table, credential_table, trust_table):
            await tx.execute(sa.delete(table).where(table.c.project_id == key))
