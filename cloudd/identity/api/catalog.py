"""/v3/regions, /v3/services and /v3/endpoints."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request
from msgspec import UNSET, UnsetType

from cloudd.identity.api.shapes import Links, changes_of, filters_of, page_of
from cloudd.identity.domain.catalog import CatalogServices, Endpoints, Regions
from cloudd.identity.domain.records import new_id
from cloudd.identity.store.catalog import CatalogService, Endpoint, Region
from cloudd.kit.errors import BadRequest
from cloudd.kit.web import route

Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
Interface = Literal["public", "internal", "admin"]


_REGION_ID_LENGTH = 64
RegionId = Annotated[str, msgspec.Meta(min_length=1, max_length=_REGION_ID_LENGTH)]


class RegionCreate(msgspec.Struct):
    id: RegionId | None = None
    description: str | None = None
    parent_region_id: str | None = None


class RegionCreateRequest(msgspec.Struct):
    region: RegionCreate


class RegionUpdate(msgspec.Struct):
    description: str | UnsetType = UNSET
    parent_region_id: str | UnsetType | None = UNSET


class RegionUpdateRequest(msgspec.Struct):
    region: RegionUpdate


class ServiceCreate(msgspec.Struct):
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    name: str = ""
    description: str | None = None
    enabled: bool = True


class ServiceCreateRequest(msgspec.Struct):
    service: ServiceCreate


class ServiceUpdate(msgspec.Struct):
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class ServiceUpdateRequest(msgspec.Struct):
    service: ServiceUpdate


class EndpointCreate(msgspec.Struct):
    service_id: str
    interface: Interface
    url: Url
    region_id: str | None = None
    #: the old name of region_id
    region: RegionId | None = None
    enabled: bool = True


class EndpointCreateRequest(msgspec.Struct):
    endpoint: EndpointCreate


class EndpointUpdate(msgspec.Struct):
    service_id: str | UnsetType = UNSET
    interface: Interface | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    region_id: str | UnsetType | None = UNSET
    region: RegionId | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class EndpointUpdateRequest(msgspec.Struct):
    endpoint: EndpointUpdate


def _endpoint(e: Endpoint) -> dict[str, Any]:
    return {**msgspec.structs.asdict(e), "region": e.region_id}


@route("GET", "/v3/regions", rule="identity:list_region")
async def list_regions(request: Request[Any, Any, Any], regions: Regions, links: Links) -> dict[str, Any]:
    found = await regions.find(page_of(request, []), filters_of(request, "parent_region_id"))
    return links.many("regions", [msgspec.structs.asdict(r) for r in found])


@route("POST", "/v3/regions", rule="identity:create_region", status=201)
async def create_region(data: RegionCreateRequest, regions: Regions, links: Links) -> dict[str, Any]:
    r = data.region
    if r.parent_region_id is not None:
        await regions.get(r.parent_region_id)
    made = await regions.create(Region(id=r.id or new_id(), description=r.description or "", parent_region_id=r.parent_region_id))
    return {"region": links.one("regions", msgspec.structs.asdict(made))}


@route("PUT", "/v3/regions/{region_id:str}", rule="identity:create_region", status=201)
async def create_region_with_id(region_id: str, data: RegionCreateRequest, regions: Regions, links: Links) -> dict[str, Any]:
    if data.region.id not in (None, region_id):
        raise BadRequest(reason=f"The body names region {data.region.id}, the path {region_id}.")
    if len(region_id) > _REGION_ID_LENGTH:
        raise BadRequest(reason=f"A region's id has at most {_REGION_ID_LENGTH} characters.")
    data.region.id = region_id
    return await create_region.fn(data, regions, links)  # type: ignore[no-any-return]


@route("GET", "/v3/regions/{region_id:str}", rule="identity:show_region")
async def show_region(region_id: str, regions: Regions, links: Links) -> dict[str, Any]:
    return {"region": links.one("regions", msgspec.structs.asdict(await regions.get(region_id)))}


@route("PATCH", "/v3/regions/{region_id:str}", rule="identity:update_region")
async def update_region(region_id: str, data: RegionUpdateRequest, regions: Regions, links: Links) -> dict[str, Any]:
    return {"region": links.one("regions", msgspec.structs.asdict(await regions.update(region_id, changes_of(data.region))))}


@route("DELETE", "/v3/regions/{region_id:str}", rule="identity:delete_region", status=204)
async def delete_region(region_id: str, regions: Regions) -> None:
    await regions.delete(region_id)


@route("GET", "/v3/services", rule="identity:list_service")
async def list_services(request: Request[Any, Any, Any], services: CatalogServices, links: Links) -> dict[str, Any]:
    found = await services.find(page_of(request, ["name"]), filters_of(request, "name", "type"))
    return links.many("services", [msgspec.structs.asdict(s) for s in found])


@route("POST", "/v3/services", rule="identity:create_service", status=201)
async def create_service(data: ServiceCreateRequest, services: CatalogServices, links: Links) -> dict[str, Any]:
    s = data.service
    made = CatalogService(id=new_id(), type=s.type, name=s.name, description=s.description or "", enabled=s.enabled)
    return {"service": links.one("services", msgspec.structs.asdict(await services.create(made)))}


@route("GET", "/v3/services/{service_id:str}", rule="identity:show_service")
async def show_service(service_id: str, services: CatalogServices, links: Links) -> dict[str, Any]:
    return {"service": links.one("services", msgspec.structs.asdict(await services.get(service_id)))}


@route("PATCH", "/v3/services/{service_id:str}", rule="identity:update_service")
async def update_service(service_id: str, data: ServiceUpdateRequest, services: CatalogServices, links: Links) -> dict[str, Any]:
    return {"service": links.one("services", msgspec.structs.asdict(await services.update(service_id, changes_of(data.service))))}


@route("DELETE", "/v3/services/{service_id:str}", rule="identity:delete_service", status=204)
async def delete_service(service_id: str, services: CatalogServices) -> None:
    await services.delete(service_id)


@route("GET", "/v3/endpoints", rule="identity:list_endpoint")
async def list_endpoints(request: Request[Any, Any, Any], endpoints: Endpoints, links: Links) -> dict[str, Any]:
    found = await endpoints.find(page_of(request, []), filters_of(request, "service_id", "interface", "region_id"))
    return links.many("endpoints", [_endpoint(e) for e in found])


@route("POST", "/v3/endpoints", rule="identity:create_endpoint", status=201)
async def create_endpoint(
    data: EndpointCreateRequest, endpoints: Endpoints, services: CatalogServices, regions: Regions, links: Links
) -> dict[str, Any]:
    e = data.endpoint
    await services.get(e.service_id)
    region_id = await _region(regions, e.region_id, e.region)
    made = Endpoint(id=new_id(), service_id=e.service_id, interface=e.interface, url=e.url, region_id=region_id, enabled=e.enabled)
    return {"endpoint": links.one("endpoints", _endpoint(await endpoints.create(made)))}


async def _region(regions: Regions, region_id: str | None, region: str | None) -> str | None:
    """An endpoint's region, which must be there, or else be named by the old field, from before regions were records: that makes it."""
    if region_id is not None:
        return (await regions.get(region_id)).id
    return None if region is None else await regions.ensure(region)


@route("GET", "/v3/endpoints/{endpoint_id:str}", rule="identity:show_endpoint")
async def show_endpoint(endpoint_id: str, endpoints: Endpoints, links: Links) -> dict[str, Any]:
    return {"endpoint": links.one("endpoints", _endpoint(await endpoints.get(endpoint_id)))}


@route("PATCH", "/v3/endpoints/{endpoint_id:str}", rule="identity:update_endpoint")
async def update_endpoint(
    endpoint_id: str, data: EndpointUpdateRequest, endpoints: Endpoints, services: CatalogServices, regions: Regions, links: Links
) -> dict[str, Any]:
    await endpoints.get(endpoint_id)
    changes = changes_of(data.endpoint)
    if "service_id" in changes:
        await services.get(changes["service_id"])
    region = changes.pop("region", None)
    if region is not None or "region_id" in changes:
        changes["region_id"] = await _region(regions, changes.get("region_id"), region)
    return {"endpoint": links.one("endpoints", _endpoint(await endpoints.update(endpoint_id, changes)))}


@route("DELETE", "/v3/endpoints/{endpoint_id:str}", rule="identity:delete_endpoint", status=204)
async def delete_endpoint(endpoint_id: str, endpoints: Endpoints) -> None:
    await endpoints.delete(endpoint_id)
