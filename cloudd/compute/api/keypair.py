"""/v2.1/os-keypairs."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response
from msgspec import UNSET, UnsetType

from cloudd.compute.api.shapes import Links, field_since
from cloudd.compute.domain.keypair import Keypairs
from cloudd.compute.store.keypair import Keypair
from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro
from cloudd.kit.errors import BadRequest, Forbidden
from cloudd.kit.paging import Page, next_link, parse_page
from cloudd.kit.web import route

KeyName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9 @._-]+$")]


class KeypairCreate(msgspec.Struct, forbid_unknown_fields=True):
    name: KeyName
    public_key: str | UnsetType = UNSET
    type: Literal["ssh", "x509"] | UnsetType = UNSET
    user_id: str | UnsetType = UNSET


class KeypairCreateRequest(msgspec.Struct, forbid_unknown_fields=True):
    keypair: KeypairCreate


def _view(ctx: Context, keypair: Keypair) -> dict[str, Any]:
    view = {"name": keypair.name, "public_key": keypair.public_key, "fingerprint": keypair.fingerprint}
    return {**view, "type": keypair.type} if ctx.version >= (2, 2) else view


def _user(ctx: Context, asked: str | None) -> str:
    """Whose keypairs: an administrator may name another user, from 2.10 on."""
    if asked is None or ctx.version < (2, 10) or asked == ctx.user_id:
        return ctx.user_id or ""
    if not ctx.is_admin:
        raise Forbidden(rule="compute:keypairs of another user")
    return asked


@route("GET", "/v2.1/os-keypairs", rule="compute:keypairs")
async def list_keypairs(request: Request[Any, Any, Any], ctx: Context, keypairs: Keypairs, links: Links) -> dict[str, Any]:
    query = request.query_params
    user_id = _user(ctx, query.get("user_id"))
    page = parse_page(query, ["name"], [("name", False)]) if ctx.version >= (2, 35) else Page(sort=[("name", False)])
    found = await keypairs.page(user_id, page)
    answer: dict[str, Any] = {"keypairs": [{"keypair": _view(ctx, keypair)} for keypair in found]}
    if ctx.version >= (2, 35) and len(found) == page.limit:
        answer["keypairs_links"] = [{"rel": "next", "href": next_link(links.url("os-keypairs"), query, found[-1].name)}]
    return answer


@route("POST", "/v2.1/os-keypairs", rule="compute:keypairs")
async def create_keypair(ctx: Context, keypairs: Keypairs, data: KeypairCreateRequest) -> Response[dict[str, Any]]:
    wanted = data.keypair
    field_since(ctx, 2, wanted, "type")
    field_since(ctx, 10, wanted, "user_id")
    user_id = _user(ctx, None if wanted.user_id is UNSET else wanted.user_id)
    public_key = None if wanted.public_key is UNSET else wanted.public_key
    if public_key is None and ctx.version >= (2, 92):
        raise BadRequest(reason="'public_key' is a required property")
    kind = "ssh" if wanted.type is UNSET else wanted.type
    keypair, private_key = await keypairs.create(user_id, ctx.project, wanted.name, kind, public_key)
    view = {**_view(ctx, keypair), "user_id": user_id}
    if private_key is not None:
        view["private_key"] = private_key
    return Response({"keypair": view}, status_code=201 if ctx.version >= (2, 2) else 200)


@route("GET", "/v2.1/os-keypairs/{name:str}", rule="compute:keypairs")
async def show_keypair(request: Request[Any, Any, Any], ctx: Context, keypairs: Keypairs, name: str) -> dict[str, Any]:
    keypair = await keypairs.get(_user(ctx, request.query_params.get("user_id")), name)
    more = {
        "user_id": keypair.user_id,
        "id": keypair.number,
        "created_at": iso_micro(keypair.created_at),
        "updated_at": None,
        "deleted": False,
        "deleted_at": None,
    }
    return {"keypair": {**_view(ctx, keypair), **more}}


@route("DELETE", "/v2.1/os-keypairs/{name:str}", rule="compute:keypairs", status=202)
async def delete_keypair(request: Request[Any, Any, Any], ctx: Context, keypairs: Keypairs, name: str) -> Response[None]:
    await keypairs.delete(_user(ctx, request.query_params.get("user_id")), name)
    return Response(None, status_code=204 if ctx.version >= (2, 2) else 202)
