"""/v3/domains."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from msgspec import UNSET, UnsetType

from cloudd.identity.api.shapes import Links, changes_of, filters_of, page_of
from cloudd.identity.domain.domain import Domains, domain_view
from cloudd.identity.domain.records import new_id
from cloudd.identity.store.domain import Domain
from cloudd.kit.web import route

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class DomainCreate(msgspec.Struct):
    name: Name
    description: str | None = None
    enabled: bool = True
    tags: list[str] = []


class DomainCreateRequest(msgspec.Struct):
    domain: DomainCreate


class DomainUpdate(msgspec.Struct):
    name: Name | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET


class DomainUpdateRequest(msgspec.Struct):
    domain: DomainUpdate


@route("GET", "/v3/domains", rule="identity:list_domain")
async def list_domains(request: Request[Any, Any, Any], domains: Domains, links: Links) -> dict[str, Any]:
    found = await domains.find(page_of(request, ["name"]), filters_of(request, "name", "enabled"))
    return links.many("domains", [domain_view(d) for d in found])


@route("POST", "/v3/domains", rule="identity:create_domain", status=201)
async def create_domain(data: DomainCreateRequest, domains: Domains, links: Links) -> dict[str, Any]:
    d = data.domain
    made = await domains.create(Domain(id=new_id(), name=d.name, description=d.description or "", enabled=d.enabled, tags=d.tags))
    return {"domain": links.one("domains", domain_view(made))}


@route("GET", "/v3/domains/{domain_id:str}", rule="identity:show_domain")
async def show_domain(domain_id: str, domains: Domains, links: Links) -> dict[str, Any]:
    return {"domain": links.one("domains", domain_view(await domains.get(domain_id)))}


@route("PATCH", "/v3/domains/{domain_id:str}", rule="identity:update_domain")
async def update_domain(domain_id: str, data: DomainUpdateRequest, domains: Domains, links: Links) -> dict[str, Any]:
    return {"domain": links.one("domains", domain_view(await domains.update(domain_id, changes_of(data.domain))))}


@route("DELETE", "/v3/domains/{domain_id:str}", rule="identity:delete_domain", status=204)
async def delete_domain(domain_id: str, domains: Domains) -> None:
    await domains.delete(domain_id)
