"""JSON patches on an image, in the two notations that clients use."""

from typing import Any

import msgspec

from cloudd.image.domain.attribute import SETTABLE, as_text, check_settable
from cloudd.image.domain.image import ImageSpec
from cloudd.kit.errors import BadRequest, Condition

OPERATIONS = ("add", "replace", "remove")


class PatchConflict(Condition):
    code = "image.patch.conflict"
    status = 409
    message = "Property {name} {problem}."


class AttributeStays(Condition):
    code = "image.patch.attribute_stays"
    status = 403
    message = "Attribute '{name}' cannot be removed; replace it."


class Operation(msgspec.Struct):
    kind: str
    name: str
    value: Any = None


def parse(body: Any, *, old_notation: bool) -> list[Operation]:
    """The operations of a patch. `old_notation` is [{"replace": "/name", "value": …}], else [{"op": …, "path": …, "value": …}]."""
    if not isinstance(body, list):
        raise BadRequest(reason="The request body must be a JSON array of operation objects.")
    return [_operation(item, old_notation=old_notation) for item in body]


def _operation(item: Any, *, old_notation: bool) -> Operation:
    if not isinstance(item, dict):
        raise BadRequest(reason="Operations must be JSON objects.")
    if old_notation:
        kinds = [kind for kind in OPERATIONS if kind in item]
        if len(kinds) != 1:
            raise BadRequest(reason=f"Operation objects must contain exactly one member named {', '.join(OPERATIONS)}.")
        kind, path = kinds[0], item[kinds[0]]
    else:
        kind, path = str(item.get("op")), item.get("path")
        if kind not in OPERATIONS:
            raise BadRequest(reason=f"Invalid operation: {kind!r}. It must be one of {', '.join(OPERATIONS)}.")
    if not isinstance(path, str) or not path.startswith("/") or len(path) < 2:
        raise BadRequest(reason=f"Invalid JSON pointer for this resource: {path!r}.")
    if kind != "remove" and "value" not in item:
        raise BadRequest(reason=f"Operation {kind!r} requires a member named 'value'.")
    if "/" in path[1:]:
        raise BadRequest(reason=f"Invalid JSON pointer for this resource: {path!r}; attributes are addressed whole.")
    return Operation(kind, path[1:].replace("~1", "/").replace("~0", "~"), item.get("value"))


def split(operations: list[Operation], present: dict[str, str]) -> tuple[dict[str, Any], dict[str, str | None]]:
    """Changes of columns and of properties (None removes). `present` are the image's properties."""
    changes: dict[str, Any] = {}
    properties: dict[str, str | None] = {}
    for operation in operations:
        name = operation.name
        check_settable(name)
        if name in SETTABLE:
            if operation.kind == "remove":
                raise AttributeStays(name=name)
            changes[name] = _converted(name, operation.value)
            continue
        exists = properties.get(name, present.get(name)) is not None
        if operation.kind != "add" and not exists:
            raise PatchConflict(name=name, problem="does not exist")
        properties[name] = None if operation.kind == "remove" else as_text(operation.value)
    return changes, properties


def _converted(name: str, value: Any) -> Any:
    try:
        return getattr(msgspec.convert({name: value}, ImageSpec), name)
    except msgspec.ValidationError as error:
        raise BadRequest(reason=f"Invalid value for {name}: {error}.") from None
