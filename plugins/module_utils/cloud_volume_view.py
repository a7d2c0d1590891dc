"""Shows a volume as plain data: the shape that modules return, compare and print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def volume_views(connection: Any, volumes: Sequence[Any], all_projects: bool = False) -> list[dict[str, Any]]:
    """Return the view of each volume, in their order, with the names of the instances that they are attached to."""
    names: dict[str, str] = {}
    if any(volume.attachments for volume in volumes):
        names = {server.id: server.name for server in connection.compute.servers(details=False, all_projects=all_projects)}
    return [_volume_view(volume, names) for volume in volumes]


def volume_view(connection: Any, volume: Any) -> dict[str, Any]:
    """Return the view of one volume."""
    return volume_views(connection, [volume])[0]


def _volume_view(volume: Any, instance_names: dict[str, str]) -> dict[str, Any]:
    attachments = [
        {
            "instance_id": attachment["server_id"],
            "instance": instance_names.get(attachment["server_id"], attachment["server_id"]),
            "device": attachment.get("device"),
            "attachment_id": attachment.get("attachment_id"),
        }
        for attachment in volume.attachments or []
    ]
    return {
        "id": volume.id,
        "name": volume.name,
        "status": volume.status,
        "size_gib": volume.size,
        "volume_type": volume.volume_type,
        "bootable": bool(volume.is_bootable),
        "availability_zone": volume.availability_zone,
        "description": volume.description,
        "metadata": dict(volume.metadata or {}),
        "image_id": (volume.volume_image_metadata or {}).get("image_id"),
        "snapshot_id": volume.snapshot_id,
        "source_volume_id": volume.source_volume_id,
        "attachments": attachments,
        "project_id": volume.project_id,
        "created_at": volume.created_at,
    }
