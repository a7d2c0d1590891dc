"""The free key-value pairs of volumes and snapshots."""

from cloudd.volume.errors import InvalidInput


def check_metadata(metadata: dict[str, str]) -> None:
    if len(metadata) > 128:
        raise InvalidInput(reason="There are at most 128 metadata items.")
    for key, value in metadata.items():
        if not 0 < len(key) <= 255 or len(value) > 255:
            raise InvalidInput(reason="A metadata key has 1 to 255 characters, a value at most 255.")
