"""A provider's aggregates over HTTP."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response

from cloudd.kit.auth import Context
from cloudd.kit.body import decode
from cloudd.kit.web import route
from cloudd.placement.api.answer import answer, since
from cloudd.placement.api.inventory import BASE
from cloudd.placement.domain.aggregate import Aggregates
from cloudd.placement.domain.inventory import Count


class AggregatesReplace(msgspec.Struct, forbid_unknown_fields=True):
    resource_provider_generation: Count
    aggregates: list[UUID]


def view(ctx: Context, generation: int, aggregate_ids: list[str]) -> dict[str, Any]:
    body: dict[str, Any] = {"aggregates": aggregate_ids}
    return body | {"resource_provider_generation": generation} if ctx.version >= (1, 19) else body


@route("GET", f"{BASE}/aggregates", rule="placement:resource_providers:aggregates:list")
async def list_aggregates(ctx: Context, provider_id: str, aggregates: Aggregates) -> Response[Any]:
    since(ctx, 1)
    return answer(ctx, view(ctx, *await aggregates.of(provider_id)))


@route("PUT", f"{BASE}/aggregates", rule="placement:resource_providers:aggregates:update")
async def replace_aggregates(ctx: Context, provider_id: str, request: Request[Any, Any, Any], aggregates: Aggregates) -> Response[Any]:
    """From microversion 1.19 the body is an object with the provider's generation, below it a list."""
    since(ctx, 1)
    body, generation = await request.body(), None
    if ctx.version >= (1, 19):
        data = decode(body, AggregatesReplace)
        wanted, generation = data.aggregates, data.resource_provider_generation
    else:
        wanted = decode(body, list[UUID])
    return answer(ctx, view(ctx, *await aggregates.replace(provider_id, generation, {str(identity) for identity in wanted})))
