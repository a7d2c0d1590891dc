"""/v2.1/os-aggregates."""

from typing import Any

import msgspec
from litestar import Response
from msgspec import UNSET, UnsetType

from cloudd.compute.api.shapes import Key, Name, Value
from cloudd.compute.domain.aggregate import Aggregates
from cloudd.compute.store.aggregate import Aggregate
from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro
from cloudd.kit.errors import BadRequest
from cloudd.kit.web import route


class AggregateCreate(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    availability_zone: Key | None = None


class AggregateCreateRequest(msgspec.Struct, forbid_unknown_fields=True):
    aggregate: AggregateCreate


class AggregateUpdate(msgspec.Struct, forbid_unknown_fields=True):
    name: Name | None = None
    availability_zone: Key | None = None


class AggregateUpdateRequest(msgspec.Struct, forbid_unknown_fields=True):
    aggregate: AggregateUpdate


class HostBody(msgspec.Struct, forbid_unknown_fields=True):
    host: Key


class MetadataBody(msgspec.Struct, forbid_unknown_fields=True):
    metadata: dict[Key, Value | None]


class AggregateActionRequest(msgspec.Struct, forbid_unknown_fields=True):
    add_host: HostBody | UnsetType = UNSET
    remove_host: HostBody | UnsetType = UNSET
    set_metadata: MetadataBody | UnsetType = UNSET


def _view(ctx: Context, row: Aggregate) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": row.number,
        "name": row.name,
        "availability_zone": row.metadata.get("availability_zone"),
        "hosts": row.hosts,
        "metadata": row.metadata,
        "created_at": iso_micro(row.created_at),
        "updated_at": iso_micro(row.updated_at),
        "deleted": False,
        "deleted_at": None,
    }
    return {**view, "uuid": row.id} if ctx.version >= (2, 41) else view


@route("GET", "/v2.1/os-aggregates", rule="compute:aggregates")
async def list_aggregates(ctx: Context, aggregates: Aggregates) -> dict[str, Any]:
    return {"aggregates": [_view(ctx, row) for row in await aggregates.list()]}


@route("POST", "/v2.1/os-aggregates", rule="compute:aggregates", status=200)
async def create_aggregate(ctx: Context, aggregates: Aggregates, data: AggregateCreateRequest) -> dict[str, Any]:
    wanted = data.aggregate
    view = _view(ctx, await aggregates.create(wanted.name.strip(), wanted.availability_zone))
    # Upstream's answer to a creation has neither.
    return {"aggregate": {key: value for key, value in view.items() if key not in ("hosts", "metadata")}}


@route("GET", "/v2.1/os-aggregates/{aggregate_id:str}", rule="compute:aggregates")
async def show_aggregate(ctx: Context, aggregates: Aggregates, aggregate_id: str) -> dict[str, Any]:
    return {"aggregate": _view(ctx, await aggregates.get(aggregate_id))}


@route("PUT", "/v2.1/os-aggregates/{aggregate_id:str}", rule="compute:aggregates")
async def update_aggregate(ctx: Context, aggregates: Aggregates, aggregate_id: str, data: AggregateUpdateRequest) -> dict[str, Any]:
    wanted = data.aggregate
    if wanted.name is None and wanted.availability_zone is None:
        raise BadRequest(reason="Give a name or an availability_zone.")
    metadata: dict[str, str | None] | None = {"availability_zone": wanted.availability_zone} if wanted.availability_zone else None
    return {"aggregate": _view(ctx, await aggregates.update(aggregate_id, name=wanted.name, metadata=metadata))}


@route("DELETE", "/v2.1/os-aggregates/{aggregate_id:str}", rule="compute:aggregates", status=200)
async def delete_aggregate(aggregates: Aggregates, aggregate_id: str) -> Response[None]:
    await aggregates.delete(aggregate_id)
    return Response(None, status_code=200)


@route("POST", "/v2.1/os-aggregates/{aggregate_id:str}/action", rule="compute:aggregates", status=200)
async def act_on_aggregate(ctx: Context, aggregates: Aggregates, aggregate_id: str, data: AggregateActionRequest) -> dict[str, Any]:
    asked = [act for act in (data.add_host, data.remove_host, data.set_metadata) if act is not UNSET]
    if len(asked) != 1:
        raise BadRequest(reason="The action is add_host, remove_host or set_metadata.")
    if data.add_host is not UNSET:
        row = await aggregates.add_host(aggregate_id, data.add_host.host)
    elif data.remove_host is not UNSET:
        row = await aggregates.remove_host(aggregate_id, data.remove_host.host)
    else:
        metadata = data.set_metadata.metadata if data.set_metadata is not UNSET else {}
        row = await aggregates.update(aggregate_id, metadata=metadata)
    return {"aggregate": _view(ctx, row)}
