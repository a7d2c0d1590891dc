"""Log-in: from what a client presents (password, token, application credential) and the scope it asks for to a token."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.identity.domain.password import Passwords
from cloudd.identity.domain.token import Sealed, Token, Tokens
from cloudd.identity.errors import AuthenticationFailed, NotPermitted, RecordNotFound, TokenNotFound
from cloudd.identity.store.domain import domain_table
from cloudd.identity.store.project import project_table
from cloudd.identity.store.user import User, user_table
from cloudd.kit.clock import now
from cloudd.kit.errors import BadRequest


class DomainReference(msgspec.Struct):
    id: str | None = None
    name: str | None = None


class ProjectReference(msgspec.Struct):
    id: str | None = None
    name: str | None = None
    domain: DomainReference | None = None


class UserReference(msgspec.Struct):
    id: str | None = None
    name: str | None = None
    domain: DomainReference | None = None
    password: str | None = None


class PasswordMethod(msgspec.Struct):
    user: UserReference


class TokenMethod(msgspec.Struct):
    id: str


class ApplicationCredentialMethod(msgspec.Struct):
    secret: str
    id: str | None = None
    name: str | None = None
    user: UserReference | None = None


class IdentityPart(msgspec.Struct):
    methods: list[str]
    password: PasswordMethod | None = None
    token: TokenMethod | None = None
    application_credential: ApplicationCredentialMethod | None = None


class TrustReference(msgspec.Struct):
    id: str


class Scope(msgspec.Struct):
    project: ProjectReference | None = None
    domain: DomainReference | None = None
    system: dict[str, Any] | None = None
    trust: TrustReference | None = msgspec.field(name="OS-TRUST:trust", default=None)


class Authentication(msgspec.Struct):
    identity: IdentityPart
    #: a Scope, or the word "unscoped"
    scope: Scope | str | None = None


class LogIn:
    def __init__(self, tokens: Tokens, passwords: Passwords) -> None:
        self.tokens = tokens
        self.passwords = passwords
        self.db = tokens.cloud.db

    async def issue(self, auth: Authentication) -> tuple[str, Token]:
        """A token. AuthenticationFailed says no more than that; BadRequest for a method nobody offers."""
        user, sealed = None, None
        for method in auth.identity.methods:
            user, sealed = await self._authenticate(method, auth.identity)
        if user is None:
            raise BadRequest(reason="auth.identity.methods names no method; password, token and application_credential are offered.")
        if sealed is not None and sealed.application_credential_id is not None:
            # Bound to its project, whatever scope was asked for.
            return await self.tokens.issue(sealed)
        if isinstance(auth.scope, Scope) and auth.scope.trust is not None:
            return await self._by_trust(auth.scope.trust.id, user, auth.identity.methods, sealed)
        scope = await self._scope(auth.scope, user)
        return await self.tokens.issue(self.tokens.seal(user, auth.identity.methods, sealed, **scope))

    async def _authenticate(self, method: str, identity: IdentityPart) -> tuple[User, Sealed | None]:
        if method == "password" and identity.password is not None:
            given = identity.password.user
            user = await self._user(given)
            if not await self.passwords.matches(given.password or "", None if user is None else user.password_hash) or user is None:
                raise AuthenticationFailed
            return user, None
        if method == "token" and identity.token is not None:
            try:
                token = await self.tokens.open(identity.token.id)
            except TokenNotFound:
                raise AuthenticationFailed from None
            if token.sealed.application_credential_id is not None or token.sealed.trust_id is not None:
                raise AuthenticationFailed
            return token.user, token.sealed
        if method == "application_credential" and identity.application_credential is not None:
            return await self._by_application_credential(identity.application_credential)
        raise BadRequest(reason=f"Authentication method {method!r} is not offered or its part of auth.identity is missing.")

    async def _by_trust(self, trust_id: str, user: User, methods: list[str], sealed: Sealed | None) -> tuple[str, Token]:
        """A token of the trustor's roles for the trustee, who appears as the trustor where the trust says so."""
        async with self.db.read() as tx:
            try:
                trust = await self.tokens.trusts.valid(tx, trust_id)
            except RecordNotFound:
                raise AuthenticationFailed from None
        if trust.trustee_user_id != user.id:
            raise NotPermitted(action="use a trust of which you are not the trustee")
        actor = await self._user(UserReference(id=trust.trustor_user_id)) if trust.impersonation else user
        if actor is None:
            raise AuthenticationFailed
        content = self.tokens.seal(actor, methods, sealed, project_id=trust.project_id, trust_id=trust.id)
        issued = await self.tokens.issue(content)
        await self.tokens.trusts.use(trust)
        return issued

    async def _by_application_credential(self, given: ApplicationCredentialMethod) -> tuple[User, Sealed]:
        owner = None if given.user is None else await self._user(given.user)
        found = await self.tokens.credentials.look_up(given.id, given.name, None if owner is None else owner.id)
        if not await self.passwords.matches(given.secret, None if found is None else found.secret_hash) or found is None:
            raise AuthenticationFailed
        if found.expires_at is not None and found.expires_at <= now():
            raise AuthenticationFailed
        user = await self._user(UserReference(id=found.user_id))
        if user is None:
            raise AuthenticationFailed
        seal = self.tokens.seal(user, ["application_credential"], project_id=found.project_id, application_credential_id=found.id)
        return user, seal

    async def _user(self, given: UserReference) -> User | None:
        async with self.db.read() as tx:
            if given.id is not None:
                return await self.tokens.users.get(tx, given.id)
            domain_id = await self._domain_id(given.domain)
            found = await self.tokens.users.find(tx, user_table.c.name == given.name, user_table.c.domain_id == domain_id)
        return found[0] if found else None

    async def _domain_id(self, given: DomainReference | None) -> str | None:
        if given is None:
            raise BadRequest(reason='A user or project named by its name needs its domain: {"domain": {"id": "default"}}.')
        if given.id is not None:
            return given.id
        async with self.db.read() as tx:
            found: str | None = await tx.scalar(sa.select(domain_table.c.id).where(domain_table.c.name == given.name))
        return found

    async def _scope(self, scope: Scope | str | None, user: User) -> dict[str, Any]:
        if isinstance(scope, str) or scope is None:
            if scope is None and user.default_project_id is not None:
                async with self.db.read() as tx:
                    if await self.tokens.assignments.effective(tx, user.id, "project", user.default_project_id):
                        return {"project_id": user.default_project_id}
            return {}
        if scope.project is not None:
            project_id = scope.project.id or await self._project_id(scope.project)
            return {"project_id": project_id}
        if scope.domain is not None:
            return {"domain_id": await self._domain_id(scope.domain) or _nowhere()}
        if scope.system is not None:
            return {"system": True}
        raise BadRequest(reason="auth.scope names neither a project, a domain nor the system.")

    async def _project_id(self, given: ProjectReference) -> str:
        domain_id = await self._domain_id(given.domain)
        c = project_table.c
        async with self.db.read() as tx:
            found: str | None = await tx.scalar(sa.select(c.id).where(c.name == given.name, c.domain_id == domain_id))
        return found or _nowhere()


def _nowhere() -> str:
    raise AuthenticationFailed
