"""The metadata of volumes and snapshots over HTTP, whole and item by item."""

from typing import Any

import msgspec
from litestar import Response

from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest
from cloudd.volume.api.path import nothing, on
from cloudd.volume.domain.snapshot import Snapshots
from cloudd.volume.domain.volume import Volumes
from cloudd.volume.errors import MetadataNotFound


class Metadata(msgspec.Struct):
    metadata: dict[str, str]


class MetadataItem(msgspec.Struct):
    meta: dict[str, str]


def item_of(metadata: dict[str, str], key: str) -> dict[str, str]:
    if key not in metadata:
        raise MetadataNotFound(key=key)
    return {key: metadata[key]}


def checked_item(data: MetadataItem, key: str) -> dict[str, str]:
    if set(data.meta) != {key}:
        raise BadRequest(reason="Request body and URI mismatch: the body holds exactly the key of the path.")
    return data.meta


def without(metadata: dict[str, str], key: str) -> dict[str, str]:
    item_of(metadata, key)
    return {name: value for name, value in metadata.items() if name != key}


@on("GET", "/volumes/{volume_id:str}/metadata", rule="volume:get_volume_metadata")
async def show_volume_metadata(ctx: Context, volume_id: str, volumes: Volumes) -> dict[str, Any]:
    return {"metadata": (await volumes.show(ctx, volume_id)).metadata}


@on("POST", "/volumes/{volume_id:str}/metadata", rule="volume:update_volume_metadata")
async def add_volume_metadata(ctx: Context, volume_id: str, data: Metadata, volumes: Volumes) -> dict[str, Any]:
    present = (await volumes.show(ctx, volume_id)).metadata
    return {"metadata": (await volumes.update(ctx, volume_id, {"metadata": {**present, **data.metadata}})).metadata}


@on("PUT", "/volumes/{volume_id:str}/metadata", rule="volume:update_volume_metadata")
async def replace_volume_metadata(ctx: Context, volume_id: str, data: Metadata, volumes: Volumes) -> dict[str, Any]:
    return {"metadata": (await volumes.update(ctx, volume_id, {"metadata": data.metadata})).metadata}


@on("GET", "/volumes/{volume_id:str}/metadata/{key:str}", rule="volume:get_volume_metadata")
async def show_volume_metadata_item(ctx: Context, volume_id: str, key: str, volumes: Volumes) -> dict[str, Any]:
    return {"meta": item_of((await volumes.show(ctx, volume_id)).metadata, key)}


@on("PUT", "/volumes/{volume_id:str}/metadata/{key:str}", rule="volume:update_volume_metadata")
async def set_volume_metadata_item(ctx: Context, volume_id: str, key: str, data: MetadataItem, volumes: Volumes) -> dict[str, Any]:
    present = (await volumes.show(ctx, volume_id)).metadata
    await volumes.update(ctx, volume_id, {"metadata": {**present, **checked_item(data, key)}})
    return {"meta": data.meta}


@on("DELETE", "/volumes/{volume_id:str}/metadata/{key:str}", rule="volume:update_volume_metadata")
async def delete_volume_metadata_item(ctx: Context, volume_id: str, key: str, volumes: Volumes) -> Response[bytes]:
    await volumes.update(ctx, volume_id, {"metadata": without((await volumes.show(ctx, volume_id)).metadata, key)})
    return nothing(200)


@on("GET", "/snapshots/{snapshot_id:str}/metadata", rule="volume:get_snapshot_metadata")
async def show_snapshot_metadata(ctx: Context, snapshot_id: str, snapshots: Snapshots) -> dict[str, Any]:
    return {"metadata": (await snapshots.show(ctx, snapshot_id)).metadata}


@on("POST", "/snapshots/{snapshot_id:str}/metadata", rule="volume:update_snapshot_metadata")
async def add_snapshot_metadata(ctx: Context, snapshot_id: str, data: Metadata, snapshots: Snapshots) -> dict[str, Any]:
    present = (await snapshots.show(ctx, snapshot_id)).metadata
    return {"metadata": (await snapshots.update(ctx, snapshot_id, {"metadata": {**present, **data.metadata}})).metadata}


@on("PUT", "/snapshots/{snapshot_id:str}/metadata", rule="volume:update_snapshot_metadata")
async def replace_snapshot_metadata(ctx: Context, snapshot_id: str, data: Metadata, snapshots: Snapshots) -> dict[str, Any]:
    return {"metadata": (await snapshots.update(ctx, snapshot_id, {"metadata": data.metadata})).metadata}


@on("GET", "/snapshots/{snapshot_id:str}/metadata/{key:str}", rule="volume:get_snapshot_metadata")
async def show_snapshot_metadata_item(ctx: Context, snapshot_id: str, key: str, snapshots: Snapshots) -> dict[str, Any]:
    return {"meta": item_of((await snapshots.show(ctx, snapshot_id)).metadata, key)}


@on("PUT", "/snapshots/{snapshot_id:str}/metadata/{key:str}", rule="volume:update_snapshot_metadata")
async def set_snapshot_metadata_item(ctx: Context, snapshot_id: str, key: str, data: MetadataItem, snapshots: Snapshots) -> dict[str, Any]:
    present = (await snapshots.show(ctx, snapshot_id)).metadata
    await snapshots.update(ctx, snapshot_id, {"metadata": {**present, **checked_item(data, key)}})
    return {"meta": data.meta}


@on("DELETE", "/snapshots/{snapshot_id:str}/metadata/{key:str}", rule="volume:update_snapshot_metadata")
async def delete_snapshot_metadata_item(ctx: Context, snapshot_id: str, key: str, snapshots: Snapshots) -> Response[bytes]:
    await snapshots.update(ctx, snapshot_id, {"metadata": without((await snapshots.show(ctx, snapshot_id)).metadata, key)})
    return nothing(200)
