"""Which keys of an image a client may set, and what they may hold."""

from cloudd.image.domain.inspection import DISK_FORMATS
from cloudd.image.errors import AttributeReadOnly, AttributeReserved
from cloudd.kit.errors import BadRequest

CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
#: what the service itself says of an image
READ_ONLY = frozenset(
    {
        "created_at", "updated_at", "status", "checksum", "size", "virtual_size", "direct_url", "self", "file", "schema", "id", "stores",
        "os_hash_algo", "os_hash_value",
    }
)  # fmt: skip
RESERVED = frozenset({"locations", "deleted", "deleted_at", "is_public", "location", "members", "properties"})
#: the base attributes that a client may set
SETTABLE = frozenset(
    {
        "name", "visibility", "owner", "disk_format", "container_format", "min_disk", "min_ram", "protected", "os_hidden", "tags",
    }
)  # fmt: skip
_AMAZON = frozenset({"ami", "ari", "aki"})


def check_settable(name: str) -> None:
    """Refuse a key that belongs to the service."""
    if name in READ_ONLY:
        raise AttributeReadOnly(attribute=name)
    if name in RESERVED or name.startswith("os_glance"):
        raise AttributeReserved(attribute=name)


def check_formats(disk_format: str | None, container_format: str | None) -> None:
    if disk_format is not None and disk_format not in DISK_FORMATS:
        raise BadRequest(reason=f"Invalid disk format '{disk_format}'; valid are {', '.join(DISK_FORMATS)}.")
    if container_format is not None and container_format not in CONTAINER_FORMATS:
        raise BadRequest(reason=f"Invalid container format '{container_format}'; valid are {', '.join(CONTAINER_FORMATS)}.")
    if disk_format in _AMAZON and container_format is not None and container_format != disk_format:
        raise BadRequest(reason=f"Disk format '{disk_format}' needs the same container format, not '{container_format}'.")


def check_properties(properties: dict[str, str]) -> None:
    if len(properties) > 128:
        raise BadRequest(reason="An image has at most 128 properties.")
    for name, value in properties.items():
        if not 0 < len(name) <= 255 or len(value) > 65535:
            raise BadRequest(reason="A property's name has 1 to 255 characters, its value at most 65535.")


def as_text(value: object) -> str:
    """A property's value: text only."""
    if not isinstance(value, str):
        raise BadRequest(reason=f"The value of a property is text, not {type(value).__name__}: {value!r}.")
    return value
