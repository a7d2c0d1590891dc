"""What the image service's control plane and its hosts tell each other."""

from typing import Any, ClassVar

import msgspec

from cloudd.image.transfer import ImageSource
from cloudd.kit.bus import Message

CONTROL = "image.control"


def agent_topic(host: str) -> str:
    """The queue of one image host's agent."""
    return f"image.agent.{host}"


class Heartbeat(Message, kw_only=True):
    """To CONTROL, every few seconds: the host lives, keeps images, and has an API process at this address."""

    name: ClassVar[str] = "image.heartbeat"
    host: str
    address: str
    total_bytes: int
    free_bytes: int


class PullImage(Message, kw_only=True):
    """Have the image's file: fetch it from `source`, unless a file with these very bytes is there."""

    name: ClassVar[str] = "image.pull"
    source: ImageSource


class RemoveImage(Message, kw_only=True):
    """Remove all of the image's files; none there is fine."""

    name: ClassVar[str] = "image.remove"
    image_id: str


class Facts(msgspec.Struct):
    """What is known of a content once it is complete; sizes in bytes."""

    size: int
    virtual_size: int | None
    checksum: str
    os_hash_value: str
    os_hash_algo: str = "sha512"


class TakeStaged(Message, kw_only=True):
    """Examine the file staged for the image and make it the image's; done already is fine."""

    name: ClassVar[str] = "image.take_staged"
    reply: ClassVar[Any] = Facts
    image_id: str
    disk_format: str
    container_format: str


class Holdings(msgspec.Struct):
    """The images with a whole file on a host, each with its size in bytes, and those with an unfinished one."""

    images: dict[str, int]
    staged: list[str]


class ListHoldings(Message, kw_only=True):
    name: ClassVar[str] = "image.list_holdings"
    reply: ClassVar[Any] = Holdings
