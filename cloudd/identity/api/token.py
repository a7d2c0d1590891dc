"""/v3/auth: tokens, and what a token may be scoped to."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response

from cloudd.identity.api.project import project_view
from cloudd.identity.api.shapes import Links
from cloudd.identity.domain.authentication import Authentication, LogIn
from cloudd.identity.domain.domain import Domains, domain_view
from cloudd.identity.domain.role import Assignments
from cloudd.identity.domain.token import Tokens
from cloudd.identity.errors import TokenNotFound
from cloudd.kit.auth import Context
from cloudd.kit.errors import Unauthorized
from cloudd.kit.web import PUBLIC, route


class TokenRequest(msgspec.Struct):
    auth: Authentication


@route("POST", "/v3/auth/tokens", rule=PUBLIC, status=201)
async def issue_token(request: Request[Any, Any, Any], data: TokenRequest, log_in: LogIn, tokens: Tokens) -> Response[dict[str, Any]]:
    text, token = await log_in.issue(data.auth)
    body = await tokens.view(token, "nocatalog" not in request.query_params)
    return Response({"token": body}, status_code=201, headers={"X-Subject-Token": text, "Vary": "X-Auth-Token"})


def _subject(request: Request[Any, Any, Any], ctx: Context, tokens: Tokens) -> str:
    """The token asked about; a plain user may ask about its own tokens only."""
    subject = request.headers.get("x-subject-token")
    if subject is None:
        raise TokenNotFound
    if not ctx.is_admin and tokens.unseal(subject).user_id != ctx.user_id:
        raise TokenNotFound
    return subject


@route("GET", "/v3/auth/tokens", rule="identity:check_token")
async def show_token(request: Request[Any, Any, Any], ctx: Context, tokens: Tokens) -> Response[dict[str, Any]]:
    subject = _subject(request, ctx, tokens)
    body = await tokens.show(subject, "nocatalog" not in request.query_params)
    return Response({"token": body}, headers={"X-Subject-Token": subject, "Vary": "X-Auth-Token"})


@route("HEAD", "/v3/auth/tokens", rule="identity:check_token")
async def check_token(request: Request[Any, Any, Any], ctx: Context, tokens: Tokens) -> None:
    await tokens.open(_subject(request, ctx, tokens))


@route("DELETE", "/v3/auth/tokens", rule="identity:revoke_token", status=204)
async def revoke_token(request: Request[Any, Any, Any], ctx: Context, tokens: Tokens) -> None:
    subject = _subject(request, ctx, tokens)
    await tokens.open(subject)
    await tokens.revoke(subject)


@route("GET", "/v3/auth/catalog", rule="identity:auth_scopes")
async def show_catalog(ctx: Context, tokens: Tokens, links: Links) -> dict[str, Any]:
    async with tokens.cloud.db.read() as tx:
        return {"catalog": await tokens.catalog.view(tx, ctx.project_id), "links": {"self": f"{links.base}/auth/catalog"}}


@route("GET", "/v3/auth/projects", rule="identity:auth_scopes")
async def list_auth_projects(ctx: Context, assignments: Assignments, links: Links) -> dict[str, Any]:
    return links.many("projects", [project_view(p) for p in await assignments.projects_of(_user(ctx)) if p.enabled])


@route("GET", "/v3/auth/domains", rule="identity:auth_scopes")
async def list_auth_domains(ctx: Context, assignments: Assignments, domains: Domains, links: Links) -> dict[str, Any]:
    async with assignments.cloud.db.read() as tx:
        held = await assignments.of_user(tx, _user(ctx))
    ids = sorted({a.target_id for a in held if a.target == "domain" and not a.inherited})
    return links.many("domains", [domain_view(await domains.get(domain_id)) for domain_id in ids])


@route("GET", "/v3/auth/system", rule="identity:auth_scopes")
async def list_auth_system(ctx: Context, assignments: Assignments, links: Links) -> dict[str, Any]:
    async with assignments.cloud.db.read() as tx:
        held = await assignments.of_user(tx, _user(ctx))
    system = [{"all": True}] if any(a.target == "system" for a in held) else []
    return {"system": system, "links": {"self": f"{links.base}/auth/system"}}


def _user(ctx: Context) -> str:
    if ctx.user_id is None:
        raise Unauthorized
    return ctx.user_id
