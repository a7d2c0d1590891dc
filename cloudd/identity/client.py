"""Identity's door for the other services."""

from __future__ import annotations

import hmac

from cloudd.identity.domain.project import Projects
from cloudd.identity.domain.token import Tokens
from cloudd.identity.domain.user import Users
from cloudd.identity.store.project import Project
from cloudd.identity.store.user import User
from cloudd.kit.auth import Context


class IdentityClient:
    """The cloud's Authenticator, and look-ups of projects and users."""

    def __init__(self, tokens: Tokens, projects: Projects, users: Users) -> None:
        self._tokens = tokens
        self._projects = projects
        self._users = users

    async def authenticate(self, token: str, request_id: str) -> Context:
        """The context that a token stands for. Raises kit.errors.Unauthorized."""
        return await self._tokens.authenticate(token, request_id)

    def signing_keys(self, purpose: str) -> list[bytes]:
        """Keys that only the control plane has, made of the token keys for one purpose: the first signs, all are accepted."""
        return [hmac.digest(key.encode(), purpose.encode(), "sha256") for key in self._tokens.settings.token_keys]

    async def project(self, project_id: str) -> Project:
        """Raises RecordNotFound."""
        return await self._projects.get(project_id)

    async def user(self, user_id: str) -> User:
        """Raises RecordNotFound."""
        return await self._users.get(user_id)
