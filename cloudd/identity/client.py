"""Identity's door for the other services."""

from __future__ import annotations

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

    async def project(self, project_id: str) -> Project:
        """Raises RecordNotFound."""
        return await self._projects.get(project_id)

    async def user(self, user_id: str) -> User:
        """Raises RecordNotFound."""
        return await self._users.get(user_id)
