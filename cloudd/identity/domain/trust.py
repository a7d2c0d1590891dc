"""Trusts: made by the trustor, used by the trustee to get tokens with the trustor's roles."""

from __future__ import annotations

from datetime import datetime

import msgspec

from cloudd.identity.domain.records import new_id
from cloudd.identity.domain.role import Assignments
from cloudd.identity.errors import NotPermitted, RecordNotFound
from cloudd.identity.messages import IdentityChanged
from cloudd.identity.store.project import ProjectStore
from cloudd.identity.store.role import Role
from cloudd.identity.store.trust import Trust, TrustStore, trust_table
from cloudd.identity.store.user import UserStore
from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.errors import BadRequest, Forbidden
from cloudd.kit.service import Cloud


class TrustSpec(msgspec.Struct, kw_only=True):
    trustor_user_id: str
    trustee_user_id: str
    project_id: str
    impersonation: bool
    role_ids: list[str] = []
    role_names: list[str] = []
    expires_at: datetime | None = None
    remaining_uses: int | None = None


class Trusts:
    def __init__(self, cloud: Cloud, assignments: Assignments) -> None:
        self.cloud = cloud
        self.assignments = assignments
        self.store = TrustStore()

    async def create(self, ctx: Context, spec: TrustSpec) -> Trust:
        """Forbidden unless the caller is the trustor; RecordNotFound for an unknown trustee or a role that the trustor does not have."""
        if spec.trustor_user_id != ctx.user_id:
            raise Forbidden(rule="identity:create_trust")
        if ctx.delegated:
            raise NotPermitted(action="create a trust with a delegated token")
        if not spec.role_ids and not spec.role_names:
            raise NotPermitted(action="create a trust without roles")
        if spec.expires_at is not None and spec.expires_at <= now():
            raise BadRequest(reason=f"expires_at {spec.expires_at.isoformat()} is in the past.")
        async with self.cloud.db.read() as tx:
            if await UserStore().get(tx, spec.trustee_user_id) is None:
                raise RecordNotFound(noun="user", key=spec.trustee_user_id)
            held = await self._held(tx, spec.trustor_user_id, spec.project_id)
        known = {role.id: role.id for role in held} | {role.name: role.id for role in held}
        for wanted in (*spec.role_ids, *spec.role_names):
            if wanted not in known:
                raise RecordNotFound(noun="role", key=wanted)
        trust = Trust(
            id=new_id(), trustor_user_id=spec.trustor_user_id, trustee_user_id=spec.trustee_user_id, project_id=spec.project_id,
            impersonation=spec.impersonation, role_ids=sorted({known[wanted] for wanted in (*spec.role_ids, *spec.role_names)}),
            expires_at=spec.expires_at, remaining_uses=spec.remaining_uses,
        )  # fmt: skip
        async with self.cloud.db.write() as tx:
            await self.store.insert(tx, trust)
        return trust

    async def show(self, ctx: Context, key: str) -> Trust:
        """RecordNotFound, also for one that has expired; Forbidden for anybody but trustor, trustee and administrators."""
        async with self.cloud.db.read() as tx:
            trust = await self.valid(tx, key)
        if not ctx.is_admin and ctx.user_id not in (trust.trustor_user_id, trust.trustee_user_id):
            raise Forbidden(rule="identity:show_trust")
        return trust

    async def find(self, ctx: Context, trustor: str | None, trustee: str | None) -> list[Trust]:
        """Those of a trustor or a trustee, for that user; all of them for an administrator only."""
        if not ctx.is_admin and {trustor, trustee} - {None} != {ctx.user_id}:
            raise Forbidden(rule="identity:list_trusts")
        c = trust_table.c
        where = [column == value for column, value in ((c.trustor_user_id, trustor), (c.trustee_user_id, trustee)) if value is not None]
        async with self.cloud.db.read() as tx:
            found = await self.store.find(tx, *where, order=c.id)
        return [trust for trust in found if trust.expires_at is None or trust.expires_at > now()]

    async def roles(self, trust: Trust) -> list[Role]:
        async with self.cloud.db.read() as tx:
            return await self.assignments.roles.find(tx, self.assignments.roles.table.c.id.in_(trust.role_ids))

    async def role(self, trust: Trust, key: str) -> Role:
        """RecordNotFound for one that the trust does not give."""
        for role in await self.roles(trust):
            if role.id == key:
                return role
        raise RecordNotFound(noun="role", key=key)

    async def delete(self, ctx: Context, key: str) -> None:
        """By the trustor or an administrator; tokens got through the trust end with it."""
        trust = await self.show(ctx, key)
        if not ctx.is_admin and ctx.user_id != trust.trustor_user_id:
            raise Forbidden(rule="identity:delete_trust")
        async with self.cloud.db.write() as tx:
            await self.store.delete(tx, key)
        await self.cloud.bus.publish(IdentityChanged())

    async def valid(self, tx: Transaction, key: str) -> Trust:
        """RecordNotFound when it is gone or has expired."""
        trust = await self.store.get(tx, key)
        if trust is None or (trust.expires_at is not None and trust.expires_at <= now()):
            raise RecordNotFound(noun="trust", key=key)
        return trust

    async def use(self, trust: Trust) -> None:
        """Count one token. NotPermitted when none is left."""
        if trust.remaining_uses is None:
            return
        while True:
            async with self.cloud.db.write() as tx:
                present = await self.store.get(tx, trust.id, lock=True)
                if present is None or not present.remaining_uses:
                    raise NotPermitted(action=f"use trust {trust.id}, which has no uses left")
                if await self.store.update(
                    tx, trust.id, trust_table.c.remaining_uses == present.remaining_uses, remaining_uses=present.remaining_uses - 1
                ):
                    return

    async def granted(self, tx: Transaction, trust: Trust) -> list[Role]:
        """The trust's roles, with what they imply; none when the trustor has lost one of them."""
        held = {role.id: role for role in await self._held(tx, trust.trustor_user_id, trust.project_id)}
        if not set(trust.role_ids) <= set(held):
            return []
        names = self.assignments.implied({held[key].name for key in trust.role_ids})
        return [role for role in held.values() if role.name in names]

    async def _held(self, tx: Transaction, user_id: str, project_id: str) -> list[Role]:
        project = await ProjectStore().get(tx, project_id)
        if project is None:
            raise RecordNotFound(noun="project", key=project_id)
        return await self.assignments.effective(tx, user_id, "project", project_id, project.domain_id)
