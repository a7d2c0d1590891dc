"""Who asks: the request's context, and the face of whoever can turn a token into one."""

from __future__ import annotations

import uuid
from typing import Protocol

import msgspec


class Context(msgspec.Struct, frozen=True):
    """The caller of one request, or of the saga that goes on with its work."""

    request_id: str
    user_id: str | None = None
    user_name: str | None = None
    user_domain_id: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    project_domain_id: str | None = None
    #: set when the token is scoped to a domain
    domain_id: str | None = None
    system_scope: bool = False
    #: implied roles included: an admin's set holds manager, member and reader too
    roles: frozenset[str] = frozenset()
    token: str | None = None
    #: the token is a delegated one (a restricted application credential's, a trust's) and must not delegate further
    delegated: bool = False
    #: microversion of the request, (0, 0) where the service has none
    version: tuple[int, int] = (0, 0)

    @property
    def is_authenticated(self) -> bool:
        return self.user_id is not None

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    @property
    def project(self) -> str:
        """The token's project. Raises where the token is not scoped to one."""
        if self.project_id is None:
            from cloudd.kit.errors import BadRequest

            raise BadRequest(reason="This operation needs a token scoped to a project.")
        return self.project_id

    def may_see(self, project_id: str | None) -> bool:
        """Whether a resource of that project exists for this caller."""
        return self.is_admin or (project_id is not None and project_id == self.project_id)


def new_request_id() -> str:
    """req-<uuid4>, as every OpenStack service writes it."""
    return f"req-{uuid.uuid4()}"


def system_context(request_id: str | None = None, project_id: str | None = None, user_id: str | None = None) -> Context:
    """The cloud's own context, for sagas and reconcilers: sees everything, acts for the given project and user."""
    return Context(
        request_id or new_request_id(), user_id=user_id or "system", project_id=project_id, roles=frozenset({"admin", "member", "reader"})
    )


class Authenticator(Protocol):
    """Turns a token into a context; implemented by the identity service."""

    async def authenticate(self, token: str, request_id: str) -> Context:
        """Raises Unauthorized for a token that is unknown, expired or revoked."""
        ...
