"""The filters of the image list, as conditions on the table."""

import re
from collections.abc import Callable
from typing import Any, get_args

import sqlalchemy as sa

from cloudd.image.domain.image import Listing, Visibility
from cloudd.image.store.image import has_property, has_tag, image_table
from cloudd.kit.clock import parse
from cloudd.kit.errors import BadRequest

_PAGING = {"limit", "marker", "sort", "sort_key", "sort_dir"}
_IN = {"id", "name", "status", "container_format", "disk_format"}
_EXACT = {"owner", "checksum", "os_hash_algo", "os_hash_value"}
_NUMBERS = {"size", "min_disk", "min_ram", "virtual_size"}
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
    "eq": lambda column, value: column == value,
    "neq": lambda column, value: column != value,
}


def parse_listing(query: Any) -> Listing:
    """A query's filters; every key that is no attribute of images is a property. BadRequest."""
    listing = Listing()
    where: list[sa.ColumnElement[bool]] = []
    for key in dict.fromkeys(query.keys()):
        values = query.getall(key)
        value = values[-1]
        if key in _PAGING:
            continue
        if key == "visibility":
            listing.visibility = _one_of(key, value, (*get_args(Visibility), "all"))
        elif key == "member_status":
            listing.member_status = _one_of(key, value, ("accepted", "pending", "rejected", "all"))
        elif key == "os_hidden":
            listing.os_hidden = _boolean(key, value)
        elif key == "protected":
            where.append(image_table.c.protected == _boolean(key, value))
        elif key == "tag":
            where += [has_tag(tag) for tag in values]
        elif key in ("created_at", "updated_at"):
            where.append(_moment(key, value))
        elif key in _IN:
            where.append(_in(key, value))
        elif key in _EXACT:
            where.append(image_table.c[key] == value)
        elif key.removesuffix("_min").removesuffix("_max") in _NUMBERS:
            where.append(_number(key, value))
        else:
            where.append(has_property(key, value))
    listing.where = where
    return listing


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise BadRequest(reason=f"Invalid {key} value {value!r}; valid are {', '.join(allowed)}.")
    return value


def _boolean(key: str, value: str) -> bool:
    return _one_of(key, value.lower(), ("true", "false")) == "true"


def _number(key: str, value: str) -> sa.ColumnElement[bool]:
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise BadRequest(reason=f"Invalid {key} value {value!r}: it must be a number of at least 0.")
    column = image_table.c[key.removesuffix("_min").removesuffix("_max")]
    if key.endswith("_min"):
        return column >= int(value)
    return column <= int(value) if key.endswith("_max") else column == int(value)


def _in(key: str, value: str) -> sa.ColumnElement[bool]:
    """name=a, or name=in:a,"b,c" """
    if not value.startswith("in:"):
        return image_table.c[key] == value
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"(?:,|$)|([^,"]+)(?:,|$)', value[3:])
    if not parts or sum(len(quoted) + 2 if quoted else len(plain) for quoted, plain in parts) + len(parts) - 1 != len(value) - 3:
        raise BadRequest(reason=f"Invalid filter value {value!r}: values are separated by commas; those with a comma are quoted.")
    return image_table.c[key].in_([quoted.replace('\\"', '"') or plain for quoted, plain in parts])


def _moment(key: str, value: str) -> sa.ColumnElement[bool]:
    operator, found, text = value.partition(":")
    if not found or operator not in _COMPARISONS:
        operator, text = "eq", value
    try:
        moment = parse(text)
    except ValueError:
        raise BadRequest(reason=f"Invalid {key} filter {value!r}: expected [gt|gte|lt|lte|eq|neq:]<ISO 8601 time>.") from None
    return _COMPARISONS[operator](image_table.c[key], moment)  # type: ignore[no-any-return]
