"""Allocations and a project's usages over HTTP."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response

from cloudd.kit.auth import Context
from cloudd.kit.body import decode
from cloudd.kit.errors import BadRequest, Forbidden
from cloudd.kit.web import route
from cloudd.placement.api.answer import answer, since
from cloudd.placement.api.inventory import BASE, spec_of
from cloudd.placement.domain.allocation import UNKNOWN, Allocations, Claim
from cloudd.placement.domain.inventory import Count, InventorySpec, Positive
from cloudd.placement.domain.reshaper import Reshaper
from cloudd.placement.errors import BadValue, MissingValue
from cloudd.placement.store.allocation import Amounts

Owner = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
ConsumerType = Annotated[str, msgspec.Meta(pattern="^(unknown|[A-Z0-9_]+)$", min_length=1, max_length=255)]
Resources = Annotated[dict[str, Positive], msgspec.Meta(min_length=1)]


class ProviderReference(msgspec.Struct, forbid_unknown_fields=True):
    uuid: UUID


class ListedAllocation(msgspec.Struct, forbid_unknown_fields=True):
    """One allocation as written below microversion 1.12."""

    resource_provider: ProviderReference
    resources: Resources


class ProviderAllocation(msgspec.Struct, forbid_unknown_fields=True):
    resources: Resources
    #: shown by GET, ignored here
    generation: int | None = None


class ConsumerAllocations(msgspec.Struct, forbid_unknown_fields=True):
    """All that one consumer takes; which fields are required depends on the microversion."""

    allocations: dict[str, ProviderAllocation] | list[ListedAllocation]
    project_id: Owner | msgspec.UnsetType = msgspec.UNSET
    user_id: Owner | msgspec.UnsetType = msgspec.UNSET
    consumer_generation: Count | msgspec.UnsetType | None = msgspec.UNSET
    consumer_type: ConsumerType | msgspec.UnsetType = msgspec.UNSET
    #: candidates carry it (1.34); it says nothing new
    mappings: dict[str, list[str]] | msgspec.UnsetType = msgspec.UNSET


class ProviderInventories(msgspec.Struct, forbid_unknown_fields=True):
    resource_provider_generation: Count
    inventories: dict[str, InventorySpec]


class Reshape(msgspec.Struct, forbid_unknown_fields=True):
    inventories: dict[str, ProviderInventories]
    allocations: dict[str, ConsumerAllocations]


#: (field, microversion from which it is required)
_REQUIRED = (("project_id", 8), ("user_id", 8), ("consumer_generation", 28), ("consumer_type", 38))


def claim_of(ctx: Context, consumer_id: str, data: ConsumerAllocations) -> Claim:
    for field, minor in _REQUIRED:
        given = getattr(data, field) is not msgspec.UNSET
        if given != (ctx.version >= (1, minor)):
            raise BadRequest(reason=f"{field} is {'not allowed below' if given else 'required from'} microversion 1.{minor}.")
    taken: dict[str, Amounts]
    if isinstance(data.allocations, list):
        if ctx.version >= (1, 12):
            raise BadRequest(reason="allocations is an object by resource provider from microversion 1.12.")
        taken = {str(one.resource_provider.uuid): one.resources for one in data.allocations}
    else:
        if ctx.version < (1, 12):
            raise BadRequest(reason="allocations is a list below microversion 1.12.")
        taken = {provider_id: one.resources for provider_id, one in data.allocations.items()}
    return Claim(
        consumer_id=consumer_id,
        allocations=taken,
        project_id=UNKNOWN if data.project_id is msgspec.UNSET else data.project_id,
        user_id=UNKNOWN if data.user_id is msgspec.UNSET else data.user_id,
        consumer_type=data.consumer_type,
        generation=data.consumer_generation,
    )


def checked_consumer(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise BadRequest(reason=f"Malformed consumer uuid: {text!r}.") from None


@route("GET", "/allocations/{consumer_id:str}", rule="placement:allocations:list")
async def list_allocations(ctx: Context, consumer_id: str, allocations: Allocations) -> Response[Any]:
    consumer, held = await allocations.of_consumer(consumer_id)
    body: dict[str, Any] = {
        "allocations": {
            provider_id: {"generation": generation, "resources": amounts} for provider_id, (generation, amounts) in held.items()
        }
    }
    if consumer is not None and held:
        if ctx.version >= (1, 12):
            body |= {"project_id": consumer.project_id, "user_id": consumer.user_id}
        if ctx.version >= (1, 28):
            body["consumer_generation"] = consumer.generation
        if ctx.version >= (1, 38):
            body["consumer_type"] = consumer.consumer_type
    return answer(ctx, body, modified=consumer.updated_at if consumer else None)


@route("PUT", "/allocations/{consumer_id:str}", rule="placement:allocations:update", status=204)
async def set_allocations(ctx: Context, consumer_id: str, data: ConsumerAllocations, allocations: Allocations) -> None:
    if not data.allocations and ctx.version < (1, 28):
        raise BadRequest(reason="allocations must not be empty below microversion 1.28; DELETE them.")
    await allocations.claim(claim_of(ctx, checked_consumer(consumer_id), data))


@route("POST", "/allocations", rule="placement:allocations:manage", status=204)
async def manage_allocations(ctx: Context, request: Request[Any, Any, Any], allocations: Allocations) -> None:
    since(ctx, 13)
    data = decode(await request.body(), dict[str, ConsumerAllocations])
    if not data:
        raise BadRequest(reason="The body names no consumer.")
    await allocations.claim(*(claim_of(ctx, checked_consumer(key), value) for key, value in data.items()))


@route("DELETE", "/allocations/{consumer_id:str}", rule="placement:allocations:delete", status=204)
async def delete_allocations(consumer_id: str, allocations: Allocations) -> None:
    await allocations.release(consumer_id)


@route("GET", f"{BASE}/allocations", rule="placement:resource_providers:allocations:list")
async def list_provider_allocations(ctx: Context, provider_id: str, allocations: Allocations) -> Response[Any]:
    generation, held = await allocations.of_provider(provider_id)
    listed: dict[str, dict[str, Any]] = {}
    for consumer_id, (consumer, amounts) in held.items():
        listed[consumer_id] = {"resources": amounts}
        if ctx.version >= (1, 28):
            listed[consumer_id]["consumer_generation"] = consumer.generation
    return answer(ctx, {"resource_provider_generation": generation, "allocations": listed})


@route("POST", "/reshaper", rule="placement:reshaper:reshape", status=204)
async def reshape(ctx: Context, data: Reshape, reshaper: Reshaper) -> None:
    since(ctx, 30)
    inventories = {
        provider_id: (one.resource_provider_generation, {name: spec_of(ctx, name, spec) for name, spec in one.inventories.items()})
        for provider_id, one in data.inventories.items()
    }
    await reshaper.reshape(inventories, [claim_of(ctx, checked_consumer(key), value) for key, value in data.allocations.items()])


@route("GET", "/usages", rule="placement:usages")
async def list_usages(ctx: Context, request: Request[Any, Any, Any], allocations: Allocations) -> Response[Any]:
    since(ctx, 9)
    allowed = {"project_id", "user_id"} | ({"consumer_type"} if ctx.version >= (1, 38) else set())
    if unknown := set(request.query_params) - allowed:
        raise BadValue(reason=f"Invalid query string parameters: {sorted(unknown)[0]!r} is not allowed.")
    project_id = request.query_params.get("project_id")
    if not project_id:
        raise MissingValue(reason="Invalid query string parameters: 'project_id' is required.")
    if not ctx.may_see(project_id):
        raise Forbidden(rule="placement:usages")
    kind = request.query_params.get("consumer_type")
    by_type = await allocations.usages(project_id, request.query_params.get("user_id"), None if kind == "all" else kind)
    if ctx.version >= (1, 38) and kind != "all":
        return answer(ctx, {"usages": by_type})
    totals: Amounts = {}
    for amounts in by_type.values():
        for name, amount in amounts.items():
            totals[name] = totals.get(name, 0) + amount
    if ctx.version >= (1, 38):
        return answer(ctx, {"usages": {"all": totals} if totals else {}})
    totals.pop("consumer_count", None)
    return answer(ctx, {"usages": totals})
