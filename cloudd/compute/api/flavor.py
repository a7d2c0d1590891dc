"""/v2.1/flavors, their extra specs and who may use them."""

from typing import Annotated, Any

import msgspec
from litestar import Request
from msgspec import UNSET, UnsetType

from cloudd.compute.api.shapes import Key, Links, Name, Truth, Value, field_since, since, truth
from cloudd.compute.domain.flavor import Flavors
from cloudd.compute.errors import ExtraSpecNotFound
from cloudd.compute.store.flavor import Flavor, FlavorAccess
from cloudd.kit.auth import Context
from cloudd.kit.body import decode
from cloudd.kit.errors import BadRequest
from cloudd.kit.paging import next_link, parse_page
from cloudd.kit.web import route

Size = int | Annotated[str, msgspec.Meta(pattern="^[0-9]{1,10}$")]
SpecKey = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-_:. ]+$")]
_LARGEST = 0x7FFFFFFF
_SORTABLE = {
    "flavorid": "id",
    "id": "id",
    "name": "name",
    "memory_mb": "memory_mib",
    "vcpus": "vcpus",
    "root_gb": "disk_gib",
    "created_at": "created_at",
}


class FlavorCreate(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    ram: Size
    vcpus: Size
    disk: Size
    id: Annotated[str, msgspec.Meta(max_length=255)] | int | None = None
    swap: int | Annotated[str, msgspec.Meta(pattern="^[0-9]{0,10}$")] = 0
    ephemeral: Size = msgspec.field(name="OS-FLV-EXT-DATA:ephemeral", default=0)
    rxtx_factor: float | str = 1.0
    is_public: Truth = msgspec.field(name="os-flavor-access:is_public", default=True)
    description: Annotated[str, msgspec.Meta(max_length=65535)] | UnsetType | None = UNSET


class FlavorCreateRequest(msgspec.Struct, forbid_unknown_fields=True):
    flavor: FlavorCreate


class FlavorUpdate(msgspec.Struct, forbid_unknown_fields=True):
    description: Annotated[str, msgspec.Meta(max_length=65535)] | None


class FlavorUpdateRequest(msgspec.Struct, forbid_unknown_fields=True):
    flavor: FlavorUpdate


class ExtraSpecsRequest(msgspec.Struct, forbid_unknown_fields=True):
    extra_specs: dict[SpecKey, Value]


class AccessChange(msgspec.Struct, forbid_unknown_fields=True):
    tenant: Key


class FlavorActionRequest(msgspec.Struct, forbid_unknown_fields=True):
    add: AccessChange | UnsetType = msgspec.field(name="addTenantAccess", default=UNSET)
    remove: AccessChange | UnsetType = msgspec.field(name="removeTenantAccess", default=UNSET)


def flavor_view(ctx: Context, links: Links, flavor: Flavor, *, detail: bool = True) -> dict[str, Any]:
    view: dict[str, Any] = {"id": flavor.id, "name": flavor.name, "links": links.of("flavors", flavor.id)}
    if detail:
        view |= {
            "ram": flavor.memory_mib,
            "disk": flavor.disk_gib,
            "swap": flavor.swap_mib or (0 if ctx.version >= (2, 75) else ""),
            "vcpus": flavor.vcpus,
            "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gib,
            "OS-FLV-DISABLED:disabled": flavor.is_disabled,
            "os-flavor-access:is_public": flavor.is_public,
            "rxtx_factor": flavor.rxtx_factor,
        }
        if ctx.version >= (2, 61):
            view["extra_specs"] = flavor.extra_specs
    if ctx.version >= (2, 55):
        view["description"] = flavor.description
    return view


def _number(value: Size, name: str, *, minimum: int = 0) -> int:
    number = int(value)
    if not minimum <= number <= _LARGEST:
        raise BadRequest(reason=f"Invalid input for field/attribute {name}. Value: {value}. It must be between {minimum} and {_LARGEST}.")
    return number


def _public(text: str | None) -> bool | None:
    if text is not None and text.lower() == "none":
        return None
    return truth(text, "is_public") if text is not None else True


def _least(text: str | None, name: str) -> int:
    if text is None:
        return 0
    if not text.isdigit():
        raise BadRequest(reason=f"Invalid {name} filter [{text}]")
    return int(text)


async def _page(request: Request[Any, Any, Any], ctx: Context, flavors: Flavors, links: Links, *, detail: bool) -> dict[str, Any]:
    query = request.query_params
    page = parse_page(query, _SORTABLE, [("id", False)])
    found = await flavors.page(
        ctx,
        page,
        is_public=_public(query.get("is_public")),
        min_disk_gib=_least(query.get("minDisk"), "minDisk"),
        min_memory_mib=_least(query.get("minRam"), "minRam"),
    )
    answer: dict[str, Any] = {"flavors": [flavor_view(ctx, links, flavor, detail=detail) for flavor in found]}
    if len(found) == page.limit:
        url = links.url("flavors", "detail") if detail else links.url("flavors")
        answer["flavors_links"] = [{"rel": "next", "href": next_link(url, query, found[-1].id)}]
    return answer


@route("GET", "/v2.1/flavors", rule="compute:flavors")
async def list_flavors(request: Request[Any, Any, Any], ctx: Context, flavors: Flavors, links: Links) -> dict[str, Any]:
    return await _page(request, ctx, flavors, links, detail=False)


@route("GET", "/v2.1/flavors/detail", rule="compute:flavors")
async def list_flavors_detail(request: Request[Any, Any, Any], ctx: Context, flavors: Flavors, links: Links) -> dict[str, Any]:
    return await _page(request, ctx, flavors, links, detail=True)


@route("POST", "/v2.1/flavors", rule="compute:flavors:manage")
async def create_flavor(ctx: Context, flavors: Flavors, links: Links, data: FlavorCreateRequest) -> dict[str, Any]:
    wanted = data.flavor
    field_since(ctx, 55, wanted, "description")
    flavor_id = None if wanted.id is None else str(wanted.id).strip()
    if flavor_id and not all(character.isalnum() or character in "-_. " for character in flavor_id):
        raise BadRequest(reason="id can only contain [A-Z][a-z][0-9] - _ . and spaces.")
    flavor = await flavors.create(
        {
            "id": flavor_id,
            "name": wanted.name.strip(),
            "memory_mib": _number(wanted.ram, "ram", minimum=1),
            "vcpus": _number(wanted.vcpus, "vcpus", minimum=1),
            "disk_gib": _number(wanted.disk, "disk"),
            "swap_mib": _number(wanted.swap or 0, "swap"),
            "ephemeral_gib": _number(wanted.ephemeral, "OS-FLV-EXT-DATA:ephemeral"),
            "rxtx_factor": _factor(wanted.rxtx_factor),
            "is_public": truth(wanted.is_public, "os-flavor-access:is_public"),
            "description": None if wanted.description is UNSET else wanted.description,
        }
    )
    return {"flavor": flavor_view(ctx, links, flavor)}


def _factor(value: float | str) -> float:
    try:
        factor = float(value)
    except ValueError:
        raise BadRequest(reason=f"Invalid input for field/attribute rxtx_factor. Value: {value}.") from None
    if not 0 < factor < 3.40282e38:
        raise BadRequest(reason="rxtx_factor must be above 0.")
    return factor


@route("GET", "/v2.1/flavors/{flavor_id:str}", rule="compute:flavors")
async def show_flavor(ctx: Context, flavors: Flavors, links: Links, flavor_id: str) -> dict[str, Any]:
    return {"flavor": flavor_view(ctx, links, await flavors.get(ctx, flavor_id))}


@route("PUT", "/v2.1/flavors/{flavor_id:str}", rule="compute:flavors:manage")
async def update_flavor(ctx: Context, flavors: Flavors, links: Links, flavor_id: str, data: FlavorUpdateRequest) -> dict[str, Any]:
    since(ctx, 55)
    return {"flavor": flavor_view(ctx, links, await flavors.describe(flavor_id, data.flavor.description))}


@route("DELETE", "/v2.1/flavors/{flavor_id:str}", rule="compute:flavors:manage", status=202)
async def delete_flavor(flavors: Flavors, flavor_id: str) -> None:
    await flavors.delete(flavor_id)


@route("GET", "/v2.1/flavors/{flavor_id:str}/os-extra_specs", rule="compute:flavors")
async def list_extra_specs(ctx: Context, flavors: Flavors, flavor_id: str) -> dict[str, Any]:
    return {"extra_specs": (await flavors.get(ctx, flavor_id)).extra_specs}


@route("POST", "/v2.1/flavors/{flavor_id:str}/os-extra_specs", rule="compute:flavors:manage")
async def create_extra_specs(flavors: Flavors, flavor_id: str, data: ExtraSpecsRequest) -> dict[str, Any]:
    return {"extra_specs": await flavors.set_extra_specs(flavor_id, data.extra_specs)}


@route("GET", "/v2.1/flavors/{flavor_id:str}/os-extra_specs/{key:str}", rule="compute:flavors")
async def show_extra_spec(ctx: Context, flavors: Flavors, flavor_id: str, key: str) -> dict[str, str]:
    specs = (await flavors.get(ctx, flavor_id)).extra_specs
    if key not in specs:
        raise ExtraSpecNotFound(flavor_id=flavor_id, key=key)
    return {key: specs[key]}


@route("PUT", "/v2.1/flavors/{flavor_id:str}/os-extra_specs/{key:str}", rule="compute:flavors:manage")
async def update_extra_spec(flavors: Flavors, flavor_id: str, key: str, body: bytes) -> dict[str, str]:
    data = decode(body, dict[SpecKey, Value])
    if list(data) != [key]:
        raise BadRequest(reason="Request body and URI mismatch: the body holds the one key that the URI names.")
    return await flavors.set_extra_specs(flavor_id, data)


@route("DELETE", "/v2.1/flavors/{flavor_id:str}/os-extra_specs/{key:str}", rule="compute:flavors:manage", status=200)
async def delete_extra_spec(flavors: Flavors, flavor_id: str, key: str) -> None:
    await flavors.delete_extra_spec(flavor_id, key)


def _access_view(rows: list[FlavorAccess]) -> dict[str, Any]:
    return {"flavor_access": [{"flavor_id": row.flavor_id, "tenant_id": row.project_id} for row in rows]}


@route("GET", "/v2.1/flavors/{flavor_id:str}/os-flavor-access", rule="compute:flavors:manage")
async def list_flavor_access(ctx: Context, flavors: Flavors, flavor_id: str) -> dict[str, Any]:
    return _access_view(await flavors.access_of(ctx, flavor_id))


@route("POST", "/v2.1/flavors/{flavor_id:str}/action", rule="compute:flavors:manage")
async def change_flavor_access(ctx: Context, flavors: Flavors, flavor_id: str, data: FlavorActionRequest) -> dict[str, Any]:
    if data.add is not UNSET and data.remove is UNSET:
        return _access_view(await flavors.grant(ctx, flavor_id, data.add.tenant))
    if data.remove is not UNSET and data.add is UNSET:
        return _access_view(await flavors.revoke(ctx, flavor_id, data.remove.tenant))
    raise BadRequest(reason="The action is addTenantAccess or removeTenantAccess.")
