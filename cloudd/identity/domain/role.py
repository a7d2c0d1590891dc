"""Roles, their implications, and who holds which where."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloudd.identity.domain.records import Records
from cloudd.identity.errors import RecordNotFound
from cloudd.identity.messages import IdentityChanged
from cloudd.identity.store.domain import domain_table
from cloudd.identity.store.group import group_table, membership_table
from cloudd.identity.store.project import Project, project_table
from cloudd.identity.store.role import Assignment, AssignmentStore, Role, RoleStore, assignment_table
from cloudd.identity.store.user import user_table
from cloudd.kit.db import Transaction
from cloudd.kit.service import Cloud

#: Keystone's default implications, closed transitively.
IMPLIED = {"admin": ("manager", "member", "reader"), "manager": ("member", "reader"), "member": ("reader",)}

_TABLES = {"user": user_table, "group": group_table, "project": project_table, "domain": domain_table}


class Roles(Records[Role]):
    noun = "role"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud, RoleStore())

    async def forget(self, tx: Transaction, key: str) -> None:
        await tx.execute(sa.delete(assignment_table).where(assignment_table.c.role_id == key))


class Assignments:
    """Grants of roles to actors (users, groups) on targets (projects, domains, the system)."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.store = AssignmentStore()
        self.roles = RoleStore()

    async def grant(self, role_id: str, actor: str, actor_id: str, target: str, target_id: str, inherited: bool = False) -> None:
        """Idempotent. RecordNotFound names whichever of the three is missing."""
        await self._known(("role", role_id), (actor, actor_id), (target, target_id))
        row = _assignment(role_id, actor, actor_id, target, target_id, inherited)
        try:
            async with self.cloud.db.write() as tx:
                await self.store.insert(tx, row)
        except IntegrityError:
            return
        await self.cloud.bus.publish(IdentityChanged())

    async def holds(self, role_id: str, actor: str, actor_id: str, target: str, target_id: str, inherited: bool = False) -> bool:
        await self._known(("role", role_id), (actor, actor_id), (target, target_id))
        async with self.cloud.db.read() as tx:
            return await self.store.get(tx, _assignment(role_id, actor, actor_id, target, target_id, inherited).id) is not None

    async def revoke(self, role_id: str, actor: str, actor_id: str, target: str, target_id: str, inherited: bool = False) -> None:
        await self._known(("role", role_id))
        async with self.cloud.db.write() as tx:
            if not await self.store.delete(tx, _assignment(role_id, actor, actor_id, target, target_id, inherited).id):
                raise RecordNotFound(noun="role assignment", key=role_id)
        await self.cloud.bus.publish(IdentityChanged())

    async def granted(self, actor: str, actor_id: str, target: str, target_id: str, inherited: bool = False) -> list[Role]:
        """The roles granted directly, as the grant routes list them."""
        await self._known((actor, actor_id), (target, target_id))
        c = assignment_table.c
        ids = sa.select(c.role_id).where(
            c.actor == actor, c.actor_id == actor_id, c.target == target, c.target_id == target_id, c.inherited == inherited
        )
        async with self.cloud.db.read() as tx:
            return await self.roles.find(tx, self.roles.table.c.id.in_(ids), order=self.roles.table.c.name)

    async def find(self, **filters: str | None) -> list[Assignment]:
        """Assignments whose columns equal the given ones."""
        where = [assignment_table.c[name] == value for name, value in filters.items() if value is not None]
        async with self.cloud.db.read() as tx:
            return await self.store.find(tx, *where, order=assignment_table.c.id)

    async def of_user(self, tx: Transaction, user_id: str) -> list[Assignment]:
        """All that a user holds, directly and by groups."""
        rows = await tx.rows(sa.select(membership_table.c.group_id).where(membership_table.c.user_id == user_id))
        return await self.store.of_actors(tx, user_id, [row["group_id"] for row in rows])

    async def effective(self, tx: Transaction, user_id: str, target: str, target_id: str, domain_id: str | None = None) -> list[Role]:
        """The roles a user has on a target, with inherited and implied ones. ``domain_id``: the target project's domain."""
        ids = {
            a.role_id
            for a in await self.of_user(tx, user_id)
            if (a.target == target and a.target_id == target_id and not a.inherited)
            or (domain_id is not None and a.inherited and a.target == "domain" and a.target_id == domain_id)
            or (domain_id is not None and a.inherited and a.target == "project" and a.target_id == target_id)
        }
        if not ids:
            return []
        roles = {role.name: role for role in await self.roles.find(tx)}
        names = self.implied({role.name for role in roles.values() if role.id in ids})
        return [roles[name] for name in sorted(names) if name in roles]

    @staticmethod
    def implied(names: set[str]) -> set[str]:
        """These roles and all that come with them."""
        return names | {implied for name in names for implied in IMPLIED.get(name, ())}

    async def projects_of(self, user_id: str) -> list[Project]:
        """The projects on which a user has any role."""
        async with self.cloud.db.read() as tx:
            mine = await self.of_user(tx, user_id)
            direct = [a.target_id for a in mine if a.target == "project" and not a.inherited]
            domains = [a.target_id for a in mine if a.target == "domain" and a.inherited]
            where = sa.or_(project_table.c.id.in_(direct), project_table.c.domain_id.in_(domains))
            rows = await tx.rows(sa.select(project_table).where(where).order_by(project_table.c.name))
        return [Project(**row) for row in rows]

    async def _known(self, *nouns: tuple[str, str]) -> None:
        async with self.cloud.db.read() as tx:
            for noun, key in nouns:
                table = self.roles.table if noun == "role" else _TABLES.get(noun)
                if table is not None and not await tx.scalar(sa.select(table.c.id).where(table.c.id == key)):
                    raise RecordNotFound(noun=noun, key=key)


def _assignment(role_id: str, actor: str, actor_id: str, target: str, target_id: str, inherited: bool) -> Assignment:
    key = ":".join((role_id, actor[0], actor_id, target[0], target_id, "i" if inherited else "d"))
    return Assignment(id=key, role_id=role_id, actor=actor, actor_id=actor_id, target=target, target_id=target_id, inherited=inherited)
