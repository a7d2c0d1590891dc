"""A provider's aggregates over HTTP."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Response

from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest
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
async def replace_aggregates(ctx: Context, provider_id: str, data: AggregatesReplace | list[UUID], aggregates: Aggregates) -> Response[Any]:
    since(ctx, 1)
    if isinstance(data, list) == (ctx.version >= (1, 19)):
        raise BadRequest(
            reason="From microversion 1.19 the body is an object with aggregates and resource_provider_generation, below it a list."
        )
    wanted, generation = (data, None) if isinstance(data, list) else (data.aggregates, data.resource_provider_generation)
    return answer(ctx, view(ctx, *await aggregates.replace(provider_id, generation, {str(identity) for identity in wanted})))
