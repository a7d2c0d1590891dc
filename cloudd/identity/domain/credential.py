"""Credentials: a user's own, and anybody's for an administrator."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from cloudd.identity.domain.project import Projects
from cloudd.identity.domain.records import Records, new_id
from cloudd.identity.domain.user import Users
from cloudd.identity.store.credential import Credential, CredentialStore
from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest, Forbidden
from cloudd.kit.paging import Page
from cloudd.kit.service import Cloud


class Ec2Blob(msgspec.Struct):
    access: str
    secret: str


class Credentials(Records[Credential]):
    noun = "credential"

    def __init__(self, cloud: Cloud, users: Users, projects: Projects) -> None:
        super().__init__(cloud, CredentialStore())
        self.users = users
        self.projects = projects

    async def add(self, ctx: Context, kind: str, blob: str, user_id: str, project_id: str | None) -> Credential:
        """Forbidden for another user; RecordNotFound for a user or project that is not there; BadRequest for a malformed EC2 pair."""
        if not ctx.is_admin and user_id != ctx.user_id:
            raise Forbidden(rule="identity:create_credential")
        key = new_id()
        if kind == "ec2":
            if project_id is None:
                raise BadRequest(reason="A credential of type ec2 needs a project_id.")
            # EC2 clients name the credential by its access key: the id must be found from it.
            key = hashlib.sha256(_pair(blob).access.encode()).hexdigest()
        await self.users.get(user_id)
        if project_id is not None:
            await self.projects.get(project_id)
        return await self.create(Credential(id=key, type=kind, blob=blob, user_id=user_id, project_id=project_id))

    async def show(self, ctx: Context, key: str) -> Credential:
        """RecordNotFound; Forbidden for another user's."""
        credential = await self.get(key)
        if not ctx.is_admin and credential.user_id != ctx.user_id:
            raise Forbidden(rule="identity:show_credential")
        return credential

    async def visible(self, ctx: Context, page: Page, filters: Mapping[str, Any]) -> list[Credential]:
        """Those that this caller may see."""
        own = {} if ctx.is_admin else {"user_id": ctx.user_id}
        return await self.find(page, {**filters, **own})

    async def set_blob(self, ctx: Context, key: str, blob: str) -> Credential:
        """The secret changes; what a credential is and whose it is stay. An EC2 pair keeps the id that its first access key gave."""
        credential = await self.show(ctx, key)
        if credential.type == "ec2":
            _pair(blob)
        return await self.update(key, {"blob": blob})

    async def remove(self, ctx: Context, key: str) -> None:
        await self.show(ctx, key)
        await self.delete(key)


def _pair(blob: str) -> Ec2Blob:
    try:
        return msgspec.json.decode(blob, type=Ec2Blob)
    except msgspec.DecodeError as error:
        raise BadRequest(reason=f"The blob of a credential of type ec2 is a JSON object with access and secret: {error}.") from None
