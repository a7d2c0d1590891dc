"""Inventories and usages of a provider over HTTP."""

from typing import Any

import msgspec
from litestar import Response

from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.placement.api.answer import answer, since
from cloudd.placement.api.resource_provider import PREFIX
from cloudd.placement.domain.inventory import Count, Inventories, InventorySpec, check_reserved
from cloudd.placement.store.inventory import Inventory

BASE = "/resource_providers/{provider_id:str}"


class InventoriesReplace(msgspec.Struct, forbid_unknown_fields=True):
    resource_provider_generation: Count
    inventories: dict[str, InventorySpec]


class InventoryCreate(InventorySpec, kw_only=True):
    resource_class: str
    resource_provider_generation: Count | None = None


class InventoryUpdate(InventorySpec, kw_only=True):
    resource_provider_generation: Count
    resource_class: str | None = None


def view(inventory: Inventory) -> dict[str, Any]:
    fields = msgspec.structs.asdict(inventory)
    return {key: value for key, value in fields.items() if key not in ("provider_id", "resource_class")}


def spec_of(ctx: Context, resource_class: str, data: InventorySpec) -> InventorySpec:
    fields = {field.name: getattr(data, field.name) for field in msgspec.structs.fields(InventorySpec)}
    spec = InventorySpec(**fields)
    check_reserved(resource_class, spec, may_reserve_all=ctx.version >= (1, 26))
    return spec


def listed(ctx: Context, generation: int, found: dict[str, Inventory]) -> Response[Any]:
    body = {"resource_provider_generation": generation, "inventories": {name: view(inventory) for name, inventory in found.items()}}
    return answer(ctx, body)


def single(ctx: Context, generation: int, inventory: Inventory, status: int = 200) -> Response[Any]:
    headers = (
        {"Location": f"{PREFIX}/resource_providers/{inventory.provider_id}/inventories/{inventory.resource_class}"} if status == 201 else {}
    )
    return answer(ctx, {"resource_provider_generation": generation, **view(inventory)}, status=status, headers=headers)


@route("GET", f"{BASE}/inventories", rule="placement:resource_providers:inventories:list")
async def list_inventories(ctx: Context, provider_id: str, inventories: Inventories) -> Response[Any]:
    return listed(ctx, *await inventories.show(provider_id))


@route("PUT", f"{BASE}/inventories", rule="placement:resource_providers:inventories:update")
async def replace_inventories(ctx: Context, provider_id: str, data: InventoriesReplace, inventories: Inventories) -> Response[Any]:
    specs = {name: spec_of(ctx, name, spec) for name, spec in data.inventories.items()}
    return listed(ctx, *await inventories.replace(provider_id, data.resource_provider_generation, specs))


@route("POST", f"{BASE}/inventories", rule="placement:resource_providers:inventories:create", status=201)
async def create_inventory(ctx: Context, provider_id: str, data: InventoryCreate, inventories: Inventories) -> Response[Any]:
    spec = spec_of(ctx, data.resource_class, data)
    made = await inventories.add(provider_id, data.resource_provider_generation, data.resource_class, spec)
    return single(ctx, *made, status=201)


@route("DELETE", f"{BASE}/inventories", rule="placement:resource_providers:inventories:delete", status=204)
async def delete_inventories(ctx: Context, provider_id: str, inventories: Inventories) -> None:
    since(ctx, 5)
    await inventories.replace(provider_id, None, {})


@route("GET", f"{BASE}/inventories/{{resource_class:str}}", rule="placement:resource_providers:inventories:show")
async def show_inventory(ctx: Context, provider_id: str, resource_class: str, inventories: Inventories) -> Response[Any]:
    return single(ctx, *await inventories.show_one(provider_id, resource_class))


@route("PUT", f"{BASE}/inventories/{{resource_class:str}}", rule="placement:resource_providers:inventories:update")
async def update_inventory(
    ctx: Context, provider_id: str, resource_class: str, data: InventoryUpdate, inventories: Inventories
) -> Response[Any]:
    spec = spec_of(ctx, resource_class, data)
    return single(ctx, *await inventories.update(provider_id, data.resource_provider_generation, resource_class, spec))


@route("DELETE", f"{BASE}/inventories/{{resource_class:str}}", rule="placement:resource_providers:inventories:delete", status=204)
async def delete_inventory(provider_id: str, resource_class: str, inventories: Inventories) -> None:
    await inventories.delete(provider_id, resource_class)


@route("GET", f"{BASE}/usages", rule="placement:resource_providers:usages")
async def list_provider_usages(ctx: Context, provider_id: str, inventories: Inventories) -> Response[Any]:
    generation, usages = await inventories.usages(provider_id)
    return answer(ctx, {"resource_provider_generation": generation, "usages": usages})
