"""How images and members look over HTTP."""

from typing import Any

from cloudd.image.store.image import Image
from cloudd.image.store.member import Member
from cloudd.kit.clock import iso_z
from cloudd.kit.settings import ApiSettings

#: the attributes that are shown as they are stored
_PLAIN = (
    "id", "name", "status", "visibility", "owner", "disk_format", "container_format", "min_disk", "min_ram", "protected", "os_hidden",
    "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "tags",
)  # fmt: skip


class Links:
    """Where clients reach this service."""

    def __init__(self, settings: ApiSettings) -> None:
        self.base = f"{settings.public_url}/image"


def image_view(image: Image) -> dict[str, Any]:
    path = f"/v2/images/{image.id}"
    stores = {"stores": "file"} if image.status in ("active", "deactivated") else {}
    return {
        **image.properties,
        **{name: getattr(image, name) for name in _PLAIN},
        **stores,
        "created_at": iso_z(image.created_at),
        "updated_at": iso_z(image.updated_at),
        "self": path,
        "file": f"{path}/file",
        "schema": "/v2/schemas/image",
    }


def member_view(member: Member) -> dict[str, Any]:
    return {
        "image_id": member.image_id,
        "member_id": member.member_id,
        "status": member.status,
        "created_at": iso_z(member.created_at),
        "updated_at": iso_z(member.updated_at),
        "schema": "/v2/schemas/member",
    }
