"""Application credentials."""

from __future__ import annotations

import secrets
from datetime import datetime

import msgspec
from sqlalchemy.exc import IntegrityError

from cloudd.identity.domain.password import Passwords
from cloudd.identity.domain.records import new_id
from cloudd.identity.domain.role import Assignments
from cloudd.identity.errors import NameTaken, NotPermitted, RecordNotFound
from cloudd.identity.messages import IdentityChanged
from cloudd.identity.store.application_credential import ApplicationCredential, ApplicationCredentialStore, application_credential_table
from cloudd.identity.store.role import Role
from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest
from cloudd.kit.service import Cloud


class ApplicationCredentialSpec(msgspec.Struct, kw_only=True):
    name: str
    secret: str | None = None
    description: str | None = None
    #: ids or names; none means all that the token has
    role_ids: list[str] = []
    role_names: list[str] = []
    expires_at: datetime | None = None
    unrestricted: bool = False


class ApplicationCredentials:
    def __init__(self, cloud: Cloud, passwords: Passwords, assignments: Assignments) -> None:
        self.cloud = cloud
        self.passwords = passwords
        self.assignments = assignments
        self.store = ApplicationCredentialStore()

    async def create(self, ctx: Context, user_id: str, spec: ApplicationCredentialSpec) -> tuple[ApplicationCredential, str]:
        """The credential and its secret, which is shown this once. BadRequest for a role that the token
        does not have; NotPermitted for a delegated token."""
        if ctx.delegated:
            raise NotPermitted(action="make an application credential with a delegated token")
        async with self.cloud.db.read() as tx:
            held = [role for role in await self.assignments.effective(tx, user_id, "project", ctx.project) if role.name in ctx.roles]
        chosen = [role for role in held if role.id in spec.role_ids or role.name in spec.role_names]
        if len(chosen) < len(spec.role_ids) + len(spec.role_names):
            raise BadRequest(reason="An application credential's roles must be among those of the token that makes it.")
        secret = spec.secret or secrets.token_urlsafe(64)
        credential = ApplicationCredential(
            id=new_id(), user_id=user_id, project_id=ctx.project, name=spec.name, description=spec.description,
            secret_hash=await self.passwords.hash(secret), role_ids=[role.id for role in chosen or held],
            expires_at=spec.expires_at, unrestricted=spec.unrestricted,
        )  # fmt: skip
        try:
            async with self.cloud.db.write() as tx:
                await self.store.insert(tx, credential)
        except IntegrityError:
            raise NameTaken(noun="application_credential", name=spec.name) from None
        return credential, secret

    async def get(self, user_id: str, key: str) -> ApplicationCredential:
        async with self.cloud.db.read() as tx:
            credential = await self.store.get(tx, key, application_credential_table.c.user_id == user_id)
        if credential is None:
            raise RecordNotFound(noun="application_credential", key=key)
        return credential

    async def of_user(self, user_id: str, name: str | None) -> list[ApplicationCredential]:
        c = application_credential_table.c
        async with self.cloud.db.read() as tx:
            return await self.store.find(tx, c.user_id == user_id, *([c.name == name] if name else []), order=c.name)

    async def look_up(self, key: str | None, name: str | None, user_id: str | None) -> ApplicationCredential | None:
        """By id, or by name and user: the two ways to log in with one."""
        async with self.cloud.db.read() as tx:
            if key is not None:
                return await self.store.get(tx, key)
            c = application_credential_table.c
            found = await self.store.find(tx, c.name == name, c.user_id == user_id)
        return found[0] if found else None

    async def roles(self, credential: ApplicationCredential) -> list[Role]:
        async with self.cloud.db.read() as tx:
            return await self.assignments.roles.find(tx, self.assignments.roles.table.c.id.in_(credential.role_ids))

    async def delete(self, user_id: str, key: str) -> None:
        async with self.cloud.db.write() as tx:
            if not await self.store.delete(tx, key, application_credential_table.c.user_id == user_id):
                raise RecordNotFound(noun="application_credential", key=key)
        await self.cloud.bus.publish(IdentityChanged())
