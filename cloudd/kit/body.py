"""Request bodies that no one shape fits: their keys are data, or their form depends on the microversion."""

from typing import TypeVar

import msgspec

from cloudd.kit.errors import BadRequest

Body = TypeVar("Body")


def decode(body: bytes, kind: type[Body]) -> Body:
    """A JSON body as the type given (``dict[str, str]``, a struct, a union of them). BadRequest when it is none."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(reason=f"Invalid request body: {error}.") from None
