"""/v3/credentials."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request

from cloudd.identity.api.shapes import Links, filters_of, page_of
from cloudd.identity.domain.credential import Credentials
from cloudd.kit.auth import Context
from cloudd.kit.web import route


class CredentialCreate(msgspec.Struct):
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    blob: str
    user_id: str
    project_id: str | None = None


class CredentialCreateRequest(msgspec.Struct):
    credential: CredentialCreate


class CredentialUpdate(msgspec.Struct, forbid_unknown_fields=True):
    """Everything but the secret stays what it was."""

    blob: str


class CredentialUpdateRequest(msgspec.Struct):
    credential: CredentialUpdate


@route("GET", "/v3/credentials", rule="identity:credentials")
async def list_credentials(ctx: Context, request: Request[Any, Any, Any], credentials: Credentials, links: Links) -> dict[str, Any]:
    found = await credentials.visible(ctx, page_of(request, []), filters_of(request, "user_id", "type"))
    return links.many("credentials", [msgspec.structs.asdict(c) for c in found])


@route("POST", "/v3/credentials", rule="identity:credentials", status=201)
async def create_credential(ctx: Context, data: CredentialCreateRequest, credentials: Credentials, links: Links) -> dict[str, Any]:
    c = data.credential
    made = await credentials.add(ctx, c.type, c.blob, c.user_id, c.project_id)
    return {"credential": links.one("credentials", msgspec.structs.asdict(made))}


@route("GET", "/v3/credentials/{credential_id:str}", rule="identity:credentials")
async def show_credential(ctx: Context, credential_id: str, credentials: Credentials, links: Links) -> dict[str, Any]:
    return {"credential": links.one("credentials", msgspec.structs.asdict(await credentials.show(ctx, credential_id)))}


@route("PATCH", "/v3/credentials/{credential_id:str}", rule="identity:credentials")
async def update_credential(
    ctx: Context, credential_id: str, data: CredentialUpdateRequest, credentials: Credentials, links: Links
) -> dict[str, Any]:
    changed = await credentials.set_blob(ctx, credential_id, data.credential.blob)
    return {"credential": links.one("credentials", msgspec.structs.asdict(changed))}


@route("DELETE", "/v3/credentials/{credential_id:str}", rule="identity:credentials", status=204)
async def delete_credential(ctx: Context, credential_id: str, credentials: Credentials) -> None:
    await credentials.remove(ctx, credential_id)
