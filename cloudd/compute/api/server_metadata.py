"""/v2.1/servers/{id}/metadata."""

from typing import Any

import msgspec

from cloudd.compute.api.shapes import Metadata
from cloudd.compute.domain.server import Servers
from cloudd.compute.errors import MetadataKeyNotFound
from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest
from cloudd.kit.web import route


class MetadataRequest(msgspec.Struct, forbid_unknown_fields=True):
    metadata: Metadata


class MetaRequest(msgspec.Struct, forbid_unknown_fields=True):
    meta: Metadata


@route("GET", "/v2.1/servers/{server_id:str}/metadata", rule="compute:servers:show")
async def list_metadata(ctx: Context, servers: Servers, server_id: str) -> dict[str, Any]:
    return {"metadata": (await servers.get(ctx, server_id)).metadata}


@route("POST", "/v2.1/servers/{server_id:str}/metadata", rule="compute:servers:update", status=200)
async def merge_metadata(ctx: Context, servers: Servers, server_id: str, data: MetadataRequest) -> dict[str, Any]:
    return {"metadata": await servers.merge_metadata(ctx, server_id, data.metadata)}


@route("PUT", "/v2.1/servers/{server_id:str}/metadata", rule="compute:servers:update")
async def replace_metadata(ctx: Context, servers: Servers, server_id: str, data: MetadataRequest) -> dict[str, Any]:
    return {"metadata": await servers.replace_metadata(ctx, server_id, data.metadata)}


@route("GET", "/v2.1/servers/{server_id:str}/metadata/{key:str}", rule="compute:servers:show")
async def show_metadata_item(ctx: Context, servers: Servers, server_id: str, key: str) -> dict[str, Any]:
    metadata = (await servers.get(ctx, server_id)).metadata
    if key not in metadata:
        raise MetadataKeyNotFound(key=key)
    return {"meta": {key: metadata[key]}}


@route("PUT", "/v2.1/servers/{server_id:str}/metadata/{key:str}", rule="compute:servers:update")
async def set_metadata_item(ctx: Context, servers: Servers, server_id: str, key: str, data: MetaRequest) -> dict[str, Any]:
    if list(data.meta) != [key]:
        raise BadRequest(reason="Request body and URI mismatch: the body holds the one key that the URI names.")
    await servers.merge_metadata(ctx, server_id, data.meta)
    return {"meta": data.meta}


@route("DELETE", "/v2.1/servers/{server_id:str}/metadata/{key:str}", rule="compute:servers:update", status=204)
async def delete_metadata_item(ctx: Context, servers: Servers, server_id: str, key: str) -> None:
    await servers.delete_metadata(ctx, server_id, key)
