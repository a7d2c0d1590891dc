"""What control plane and volume agents say to each other."""

from typing import ClassVar

import msgspec

from cloudd.image.transfer import ImageSource, ImageTarget
from cloudd.kit.bus import Message
from cloudd.volume.drivers.base import Connection

CONTROL = "volume.control"


def agent_topic(host: str) -> str:
    return f"volume.agent.{host}"


class Heartbeat(Message, kw_only=True):
    name = "volume.heartbeat"
    host: str
    driver: str
    availability_zone: str
    total_bytes: int
    free_bytes: int


class CreateVolume(Message, kw_only=True):
    """At most one source: an image, a volume or a snapshot of the same host."""

    name = "volume.create"
    volume_id: str
    size_gib: int
    image: ImageSource | None = None
    source_volume_id: str | None = None
    source_in_use: bool = False
    snapshot_id: str | None = None


class DeleteVolume(Message, kw_only=True):
    name = "volume.delete"
    volume_id: str


class ExtendVolume(Message, kw_only=True):
    name = "volume.extend"
    volume_id: str
    size_gib: int


class RevertVolume(Message, kw_only=True):
    name = "volume.revert"
    volume_id: str
    size_gib: int
    snapshot_id: str


class CreateSnapshot(Message, kw_only=True):
    name = "volume.create_snapshot"
    snapshot_id: str
    volume_id: str
    in_use: bool = False


class DeleteSnapshot(Message, kw_only=True):
    name = "volume.delete_snapshot"
    snapshot_id: str


class AttachVolume(Message, kw_only=True):
    name = "volume.attach"
    reply: ClassVar[type] = Connection
    volume_id: str
    attachment_id: str
    read_only: bool = False


class DetachVolume(Message, kw_only=True):
    name = "volume.detach"
    volume_id: str
    attachment_id: str


class WriteImage(Message, kw_only=True):
    """Make the volume's content an image's."""

    name = "volume.write_image"
    volume_id: str
    target: ImageTarget
    disk_format: str


class Holdings(msgspec.Struct):
    """What a host keeps: each volume's size in bytes, and the snapshots."""

    volumes: dict[str, int]
    snapshots: list[str]


class ListHoldings(Message, kw_only=True):
    name = "volume.list_holdings"
    reply: ClassVar[type] = Holdings


class VolumeExtended(Message, kw_only=True):
    """Event: an attached volume has grown; whoever runs these servers tells the guests."""

    name = "volume.extended"
    volume_id: str
    size_gib: int
    server_ids: list[str]
