"""/v3/users/{user_id}/application_credentials."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request

from cloudd.identity.api.role import role_view
from cloudd.identity.api.shapes import Links
from cloudd.identity.domain.application_credential import ApplicationCredentials, ApplicationCredentialSpec
from cloudd.identity.store.application_credential import ApplicationCredential
from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro, parse
from cloudd.kit.errors import BadRequest
from cloudd.kit.web import route


class RoleReference(msgspec.Struct):
    id: str | None = None
    name: str | None = None


class ApplicationCredentialCreate(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    secret: str | None = None
    description: str | None = None
    roles: list[RoleReference] = []
    expires_at: str | None = None
    unrestricted: bool = False


class ApplicationCredentialRequest(msgspec.Struct):
    application_credential: ApplicationCredentialCreate


async def _view(credential: ApplicationCredential, credentials: ApplicationCredentials) -> dict[str, Any]:
    return {
        "id": credential.id, "name": credential.name, "description": credential.description, "project_id": credential.project_id,
        "system": None, "user_id": credential.user_id, "expires_at": iso_micro(credential.expires_at),
        "unrestricted": credential.unrestricted,
        "roles": [role_view(r) for r in await credentials.roles(credential)],
    }  # fmt: skip


@route("POST", "/v3/users/{user_id:str}/application_credentials", rule="identity:application_credentials", status=201)
async def create_application_credential(
    ctx: Context, user_id: str, data: ApplicationCredentialRequest, application_credentials: ApplicationCredentials, links: Links
) -> dict[str, Any]:
    a = data.application_credential
    try:
        expires_at = None if a.expires_at is None else parse(a.expires_at)
    except ValueError:
        raise BadRequest(reason=f"expires_at must be an ISO 8601 time, not {a.expires_at!r}.") from None
    spec = ApplicationCredentialSpec(
        name=a.name, secret=a.secret, description=a.description, expires_at=expires_at, unrestricted=a.unrestricted,
        role_ids=[r.id for r in a.roles if r.id], role_names=[r.name for r in a.roles if r.name and not r.id],
    )  # fmt: skip
    made, secret = await application_credentials.create(ctx, user_id, spec)
    body = links.one(f"users/{user_id}/application_credentials", await _view(made, application_credentials))
    return {"application_credential": {**body, "secret": secret}}


@route("GET", "/v3/users/{user_id:str}/application_credentials", rule="identity:show_application_credentials")
async def list_application_credentials(
    request: Request[Any, Any, Any], user_id: str, application_credentials: ApplicationCredentials, links: Links
) -> dict[str, Any]:
    found = await application_credentials.of_user(user_id, request.query_params.get("name"))
    shown = [await _view(c, application_credentials) for c in found]
    return links.many(f"users/{user_id}/application_credentials", shown, key="application_credentials")


@route("GET", "/v3/users/{user_id:str}/application_credentials/{credential_id:str}", rule="identity:show_application_credentials")
async def show_application_credential(
    user_id: str, credential_id: str, application_credentials: ApplicationCredentials, links: Links
) -> dict[str, Any]:
    found = await application_credentials.get(user_id, credential_id)
    return {"application_credential": links.one(f"users/{user_id}/application_credentials", await _view(found, application_credentials))}


@route("DELETE", "/v3/users/{user_id:str}/application_credentials/{credential_id:str}", rule="identity:application_credentials", status=204)
async def delete_application_credential(user_id: str, credential_id: str, application_credentials: ApplicationCredentials) -> None:
    await application_credentials.delete(user_id, credential_id)
