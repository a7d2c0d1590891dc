"""The names behind the ids of role assignments, read at once."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cloudd.identity.store.domain import domain_table
from cloudd.identity.store.group import group_table
from cloudd.identity.store.project import project_table
from cloudd.identity.store.role import Assignment, role_table
from cloudd.identity.store.user import user_table
from cloudd.kit.service import Cloud


class AssignmentNames:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    async def of(self, assignments: list[Assignment]) -> dict[str, dict[str, Any]]:
        """id → {name, domain} of everything that these assignments speak of."""
        ids = {key for a in assignments for key in (a.role_id, a.actor_id, a.target_id)}
        found: dict[str, dict[str, Any]] = {}
        async with self.cloud.db.read() as tx:
            domains = {row["id"]: row["name"] for row in await tx.rows(sa.select(domain_table.c.id, domain_table.c.name))}
            for table in (user_table, group_table, project_table):
                for row in await tx.rows(sa.select(table.c.id, table.c.name, table.c.domain_id).where(table.c.id.in_(ids))):
                    found[row["id"]] = {"name": row["name"], "domain": {"id": row["domain_id"], "name": domains.get(row["domain_id"])}}
            for row in await tx.rows(sa.select(role_table.c.id, role_table.c.name).where(role_table.c.id.in_(ids))):
                found[row["id"]] = {"name": row["name"]}
        return {**{key: {"name": name} for key, name in domains.items()}, **found}
