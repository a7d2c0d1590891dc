"""/v3/OS-TRUST/trusts."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request

from cloudd.identity.api.role import role_view
from cloudd.identity.api.shapes import Links
from cloudd.identity.domain.token import Tokens
from cloudd.identity.domain.trust import Trusts, TrustSpec
from cloudd.identity.errors import NotPermitted
from cloudd.identity.store.trust import Trust
from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro_z, parse
from cloudd.kit.errors import BadRequest
from cloudd.kit.web import route

_COLLECTION = "OS-TRUST/trusts"


class RoleReference(msgspec.Struct):
    id: str | None = None
    name: str | None = None


class TrustCreate(msgspec.Struct):
    trustor_user_id: str
    trustee_user_id: str
    project_id: str
    impersonation: bool
    roles: list[RoleReference] = []
    expires_at: str | None = None
    remaining_uses: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    allow_redelegation: bool = False
    redelegation_count: int | None = None


class TrustCreateRequest(msgspec.Struct):
    trust: TrustCreate


def _brief(trust: Trust, links: Links) -> dict[str, Any]:
    return links.one(
        _COLLECTION,
        {
            "id": trust.id, "trustor_user_id": trust.trustor_user_id, "trustee_user_id": trust.trustee_user_id,
            "project_id": trust.project_id, "impersonation": trust.impersonation, "expires_at": iso_micro_z(trust.expires_at),
            "remaining_uses": trust.remaining_uses, "redelegated_trust_id": None, "redelegation_count": 0, "deleted_at": None,
        },
    )  # fmt: skip


async def _view(trust: Trust, trusts: Trusts, links: Links) -> dict[str, Any]:
    address = f"{links.base}/{_COLLECTION}/{trust.id}/roles"
    roles = [links.one("roles", role_view(role)) for role in await trusts.roles(trust)]
    return {**_brief(trust, links), "roles": roles, "roles_links": {"self": address, "next": None, "previous": None}}


@route("POST", "/v3/OS-TRUST/trusts", rule="identity:trusts", status=201)
async def create_trust(ctx: Context, data: TrustCreateRequest, trusts: Trusts, tokens: Tokens, links: Links) -> dict[str, Any]:
    t = data.trust
    if t.allow_redelegation or t.redelegation_count or tokens.unseal(ctx.token or "").trust_id is not None:
        raise NotPermitted(action="delegate a trust further")
    try:
        expires_at = None if t.expires_at is None else parse(t.expires_at)
    except ValueError:
        raise BadRequest(reason=f"expires_at must be an ISO 8601 time, not {t.expires_at!r}.") from None
    spec = TrustSpec(
        trustor_user_id=t.trustor_user_id, trustee_user_id=t.trustee_user_id, project_id=t.project_id, impersonation=t.impersonation,
        role_ids=[r.id for r in t.roles if r.id], role_names=[r.name for r in t.roles if r.name and not r.id],
        expires_at=expires_at, remaining_uses=t.remaining_uses,
    )  # fmt: skip
    return {"trust": await _view(await trusts.create(ctx, spec), trusts, links)}


@route("GET", "/v3/OS-TRUST/trusts", rule="identity:trusts")
async def list_trusts(ctx: Context, request: Request[Any, Any, Any], trusts: Trusts, links: Links) -> dict[str, Any]:
    query = request.query_params
    found = await trusts.find(ctx, query.get("trustor_user_id"), query.get("trustee_user_id"))
    address = {"self": f"{links.base}/{_COLLECTION}", "next": None, "previous": None}
    return {"trusts": [_brief(trust, links) for trust in found], "links": address}


@route("GET", "/v3/OS-TRUST/trusts/{trust_id:str}", rule="identity:trusts")
async def show_trust(ctx: Context, trust_id: str, trusts: Trusts, links: Links) -> dict[str, Any]:
    return {"trust": await _view(await trusts.show(ctx, trust_id), trusts, links)}


@route("DELETE", "/v3/OS-TRUST/trusts/{trust_id:str}", rule="identity:trusts", status=204)
async def delete_trust(ctx: Context, trust_id: str, trusts: Trusts) -> None:
    await trusts.delete(ctx, trust_id)


@route("GET", "/v3/OS-TRUST/trusts/{trust_id:str}/roles", rule="identity:trusts")
async def list_trust_roles(ctx: Context, trust_id: str, trusts: Trusts, links: Links) -> dict[str, Any]:
    return links.many("roles", [role_view(role) for role in await trusts.roles(await trusts.show(ctx, trust_id))])


@route("GET", "/v3/OS-TRUST/trusts/{trust_id:str}/roles/{role_id:str}", rule="identity:trusts")
async def show_trust_role(ctx: Context, trust_id: str, role_id: str, trusts: Trusts, links: Links) -> dict[str, Any]:
    return {"role": links.one("roles", role_view(await trusts.role(await trusts.show(ctx, trust_id), role_id)))}


@route("HEAD", "/v3/OS-TRUST/trusts/{trust_id:str}/roles/{role_id:str}", rule="identity:trusts")
async def check_trust_role(ctx: Context, trust_id: str, role_id: str, trusts: Trusts) -> None:
    await trusts.role(await trusts.show(ctx, trust_id), role_id)
