"""A list's filters, as the query names them, as SQL conditions."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from cloudd.network.errors import InvalidInput
from cloudd.network.store.tag import tag_table

TRUE, FALSE = ("true", "1", "yes", "on", "t"), ("false", "0", "no", "off", "f")
LARGEST = 2**31 - 1
Where = sa.ColumnElement[bool]


def column_condition(column: sa.Column[object], name: str, values: Sequence[str]) -> Where:
    """One of the values, compared in the column's own type; an empty text also means null."""
    if isinstance(column.type, sa.Boolean):
        return column.in_([boolean(name, value) for value in values])
    if isinstance(column.type, sa.Integer):
        return column.in_([_integer(name, value) for value in values])
    condition: Where = column.in_(values)
    return sa.or_(condition, column.is_(None)) if "" in values else condition


def tag_conditions(table: sa.Table, filters: Mapping[str, Sequence[str]]) -> list[Where]:
    """`tags` all of them, `tags-any` one of them, and the two with `not-` in front."""
    found: list[Where] = []
    for name, values in filters.items():
        tags = [tag for value in values for tag in value.split(",") if tag]
        having = [table.c.id.in_(sa.select(tag_table.c.resource_id).where(tag_table.c.tag == tag)) for tag in tags]
        if not having:
            continue
        condition = sa.and_(*having) if not name.endswith("any") else sa.or_(*having)
        found.append(sa.not_(condition) if name.startswith("not-") else condition)
    return found


def boolean(name: str, value: str) -> bool:
    if value.lower() in TRUE:
        return True
    if value.lower() in FALSE:
        return False
    raise InvalidInput(reason=f"Invalid input for {name}. Reason: '{value}' cannot be converted to boolean.")


def _integer(name: str, value: str) -> int:
    try:
        number = int(value)
        if abs(number) > LARGEST:
            raise ValueError
        return number
    except ValueError:
        raise InvalidInput(reason=f"Invalid input for {name}. Reason: '{value}' is not an integer.") from None
