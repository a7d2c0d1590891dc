"""Tokens: who they stand for is sealed in them (Fernet); what that person may do is read from the database at each use."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from cloudd.identity.domain.application_credential import ApplicationCredentials
from cloudd.identity.domain.catalog import Catalog
from cloudd.identity.domain.role import Assignments
from cloudd.identity.domain.trust import Trusts
from cloudd.identity.errors import AuthenticationFailed, RecordNotFound, TokenNotFound
from cloudd.identity.messages import IdentityChanged
from cloudd.identity.settings import IdentitySettings
from cloudd.identity.store.domain import Domain, DomainStore
from cloudd.identity.store.project import Project, ProjectStore
from cloudd.identity.store.role import Role
from cloudd.identity.store.token import Revocation, RevocationStore, revocation_table
from cloudd.identity.store.trust import Trust
from cloudd.identity.store.user import User, UserStore
from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro_z, now
from cloudd.kit.db import Transaction
from cloudd.kit.errors import Unauthorized
from cloudd.kit.service import Cloud


class Sealed(msgspec.Struct, array_like=True):
    """What a token holds, encrypted. Times are seconds since 1970."""

    user_id: str
    methods: list[str]
    issued_at: int
    expires_at: int
    audit_ids: list[str]
    project_id: str | None = None
    domain_id: str | None = None
    system: bool = False
    application_credential_id: str | None = None
    trust_id: str | None = None


class Token(msgspec.Struct):
    """A token opened: the sealed part with the records it names."""

    sealed: Sealed
    user: User
    user_domain: Domain
    roles: list[Role]
    project: Project | None = None
    #: of the project, or the domain it is scoped to
    domain: Domain | None = None
    trust: Trust | None = None
    #: must not make application credentials or trusts
    delegated: bool = False


class Tokens:
    def __init__(
        self, cloud: Cloud, assignments: Assignments, credentials: ApplicationCredentials, catalog: Catalog, trusts: Trusts
    ) -> None:
        self.cloud = cloud
        self.settings = cloud.settings.section(IdentitySettings)
        self.assignments = assignments
        self.credentials = credentials
        self.catalog = catalog
        self.trusts = trusts
        self.users, self.projects, self.domains, self.revocations = UserStore(), ProjectStore(), DomainStore(), RevocationStore()
        self._fernet = MultiFernet([Fernet(key) for key in self.settings.token_keys])
        #: token → (context, when to look again)
        self._seen: dict[str, tuple[Context, float]] = {}
        #: (token, with catalog) → (its body, when to look again)
        self._shown: dict[tuple[str, bool], tuple[dict[str, Any], float]] = {}
        cloud.bus.subscribe(IdentityChanged, self._forget_all)

    async def issue(self, sealed: Sealed) -> tuple[str, Token]:
        """Seal a token. AuthenticationFailed where the user has no role on the scope, or something of it is disabled."""
        try:
            token = await self._open(sealed)
        except TokenNotFound:
            raise AuthenticationFailed from None
        return self._fernet.encrypt(msgspec.msgpack.encode(sealed)).decode(), token

    def seal(self, user: User, methods: list[str], parent: Sealed | None = None, **scope: Any) -> Sealed:
        """The content of a new token; one got from another token (``parent``) ends when that ends."""
        issued = int(time.time())
        expires = issued + self.settings.token_lifetime_seconds
        audit = [secrets.token_urlsafe(16)]
        if parent is not None:
            expires, audit = min(expires, parent.expires_at), [*audit, parent.audit_ids[-1]]
        return Sealed(user.id, methods, issued, expires, audit, **scope)

    def unseal(self, text: str) -> Sealed:
        """TokenNotFound when it is no token of ours or has expired."""
        try:
            sealed = msgspec.msgpack.decode(self._fernet.decrypt(text.encode()), type=Sealed)
        except (InvalidToken, msgspec.DecodeError, UnicodeEncodeError):
            raise TokenNotFound from None
        if sealed.expires_at <= time.time():
            raise TokenNotFound
        return sealed

    async def open(self, text: str) -> Token:
        """Open and check a token against the database. Raises TokenNotFound."""
        return await self._open(self.unseal(text))

    async def show(self, text: str, with_catalog: bool = True) -> dict[str, Any]:
        """The body of a token that somebody checks; believed for a few seconds like ``authenticate``. Raises TokenNotFound."""
        shown = self._shown.get((text, with_catalog))
        if shown is not None and shown[1] > time.monotonic():
            return shown[0]
        token = await self.open(text)
        body = await self.view(token, with_catalog)
        if len(self._shown) > 1_000:
            self._shown.clear()
        self._shown[text, with_catalog] = (body, self._until(token.sealed))
        return body

    async def authenticate(self, text: str, request_id: str) -> Context:
        """The context of a request with this token; believed for a few seconds before the database is asked again."""
        seen = self._seen.get(text)
        if seen is not None and seen[1] > time.monotonic():
            return msgspec.structs.replace(seen[0], request_id=request_id)
        try:
            token = await self.open(text)
        except TokenNotFound:
            raise Unauthorized from None
        ctx = _context(token, text, request_id)
        if len(self._seen) > 10_000:
            self._seen.clear()
        self._seen[text] = (ctx, self._until(token.sealed))
        return ctx

    def _until(self, sealed: Sealed) -> float:
        return time.monotonic() + min(self.settings.token_cache_seconds, sealed.expires_at - time.time())

    async def revoke(self, text: str) -> None:
        sealed = self.unseal(text)
        async with self.cloud.db.write() as tx:
            await tx.execute(sa.delete(revocation_table).where(revocation_table.c.expires_at < now()))
            if await self.revocations.get(tx, sealed.audit_ids[0]) is None:
                await self.revocations.insert(tx, Revocation(id=sealed.audit_ids[0], expires_at=_moment(sealed.expires_at)))
        await self.cloud.bus.publish(IdentityChanged())

    async def view(self, token: Token, with_catalog: bool = True) -> dict[str, Any]:
        """The body of a token as both its issue and its check show it."""
        sealed, project = token.sealed, token.project
        body: dict[str, Any] = {
            "methods": sealed.methods,
            "user": {"id": token.user.id, "name": token.user.name, "domain": _ref(token.user_domain), "password_expires_at": None},
            "audit_ids": sealed.audit_ids,
            "expires_at": iso_micro_z(_moment(sealed.expires_at)),
            "issued_at": iso_micro_z(_moment(sealed.issued_at)),
        }
        if project is not None and token.domain is not None:
            body["project"] = {"id": project.id, "name": project.name, "domain": _ref(token.domain)}
            body["is_domain"] = False
        elif token.domain is not None:
            body["domain"] = _ref(token.domain)
        elif sealed.system:
            body["system"] = {"all": True}
        if token.roles:
            body["roles"] = [{"id": role.id, "name": role.name} for role in token.roles]
            if with_catalog:
                async with self.cloud.db.read() as tx:
                    body["catalog"] = await self.catalog.view(tx, sealed.project_id)
        if sealed.application_credential_id is not None:
            credential = await self.credentials.get(token.user.id, sealed.application_credential_id)
            body["application_credential"] = {"id": credential.id, "name": credential.name, "restricted": not credential.unrestricted}
        if token.trust is not None:
            trust = token.trust
            body["OS-TRUST:trust"] = {
                "id": trust.id,
                "impersonation": trust.impersonation,
                "trustor_user": {"id": trust.trustor_user_id},
                "trustee_user": {"id": trust.trustee_user_id},
            }
        return body

    async def _open(self, sealed: Sealed) -> Token:
        async with self.cloud.db.read() as tx:
            if await self.revocations.get(tx, sealed.audit_ids[0]) is not None:
                raise TokenNotFound
            user = await self.users.get(tx, sealed.user_id)
            user_domain = None if user is None else await self.domains.get(tx, user.domain_id)
            if user is None or user_domain is None or not (user.enabled and user_domain.enabled):
                raise TokenNotFound
            if user.tokens_valid_after is not None and _moment(sealed.issued_at) < user.tokens_valid_after.replace(microsecond=0):
                raise TokenNotFound
            token = Token(sealed, user, user_domain, [])
            await self._add_scope(tx, token)
        return token

    async def _add_scope(self, tx: Transaction, token: Token) -> None:
        sealed = token.sealed
        if sealed.project_id is not None:
            token.project = await self.projects.get(tx, sealed.project_id)
            token.domain = None if token.project is None else await self.domains.get(tx, token.project.domain_id)
            if token.project is None or token.domain is None or not (token.project.enabled and token.domain.enabled):
                raise TokenNotFound
            token.roles = await self.assignments.effective(tx, token.user.id, "project", token.project.id, token.domain.id)
        elif sealed.domain_id is not None:
            token.domain = await self.domains.get(tx, sealed.domain_id)
            if token.domain is None or not token.domain.enabled:
                raise TokenNotFound
            token.roles = await self.assignments.effective(tx, token.user.id, "domain", token.domain.id)
        elif sealed.system:
            token.roles = await self.assignments.effective(tx, token.user.id, "system", "all")
        else:
            return
        if sealed.application_credential_id is not None:
            credential = await self.credentials.store.get(tx, sealed.application_credential_id)
            if credential is None or (credential.expires_at is not None and credential.expires_at <= now()):
                raise TokenNotFound
            token.roles = [role for role in token.roles if role.id in credential.role_ids]
            token.delegated = not credential.unrestricted
        if sealed.trust_id is not None:
            await self._add_trust(tx, token, sealed.trust_id)
            token.delegated = True
        if not token.roles:
            raise TokenNotFound

    async def _add_trust(self, tx: Transaction, token: Token, trust_id: str) -> None:
        """What a trust gives is the trustor's: it ends with the trust, and when either of the two may no longer log in."""
        try:
            token.trust = await self.trusts.valid(tx, trust_id)
        except RecordNotFound:
            raise TokenNotFound from None
        for user_id in (token.trust.trustor_user_id, token.trust.trustee_user_id):
            user = await self.users.get(tx, user_id)
            if user is None or not user.enabled:
                raise TokenNotFound
        token.roles = await self.trusts.granted(tx, token.trust)

    async def _forget_all(self, _: IdentityChanged) -> None:
        self._seen.clear()
        self._shown.clear()


def _context(token: Token, text: str, request_id: str) -> Context:
    project, domain = token.project, token.domain
    return Context(
        request_id,
        user_id=token.user.id,
        user_name=token.user.name,
        user_domain_id=token.user.domain_id,
        project_id=None if project is None else project.id,
        project_name=None if project is None else project.name,
        project_domain_id=None if project is None else project.domain_id,
        domain_id=domain.id if project is None and domain is not None else None,
        system_scope=token.sealed.system,
        roles=frozenset(role.name for role in token.roles),
        token=text,
        delegated=token.delegated,
    )


def _ref(domain: Domain) -> dict[str, str]:
    return {"id": domain.id, "name": domain.name}


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
