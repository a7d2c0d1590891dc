"""Bring rows of the northbound database to a wanted shape, touching only what differs."""

from typing import Any

import msgspec
from ovsdbapp.backend.ovs_idl import idlutils

from cloudd.network.drivers.base import Kind, Spec

KIND, ID, REVISION, KEY = "cloudd:kind", "cloudd:id", "cloudd:revision", "cloudd:key"
NAMED = ("Logical_Switch", "Logical_Switch_Port", "Logical_Router", "Logical_Router_Port", "Port_Group")


class Row(msgspec.Struct, kw_only=True):
    """A wanted row: `key` tells it from its siblings, `children` are rows that live in a column of it."""

    table: str
    key: str
    columns: dict[str, Any]
    marks: dict[str, str] = {}
    children: dict[str, list["Row"]] = {}


def marks_of(kind: Kind, spec: Spec) -> dict[str, str]:
    """The external_ids by which an object of ours is known again."""
    return {KIND: kind, ID: spec.id, REVISION: str(spec.revision)}


def create_indexes(tables: Any) -> None:
    """Names are looked up on every change; without an index each look-up would walk the table."""
    for table in NAMED:
        tables[table].rows.index_create("name").add_column("name")
    tables["DHCP_Options"].rows.index_create("cidr").add_column("cidr")


def find(tables: Any, table: str, name: str) -> Any | None:
    """The row of that name, or None."""
    return next(iter(idlutils.index_lookup_all(tables[table], name=name)), None)


def is_newer(row: Any | None, revision: int) -> bool:
    """Whether the row was written from a later state than `revision`."""
    return row is not None and int(row.external_ids.get(REVISION, "0")) > revision


def put(txn: Any, wanted: Row, row: Any | None) -> tuple[Any, bool]:
    """Make or correct a row and its children; answers the row and whether anything was changed."""
    changed = row is None
    new = row is None
    if row is None:
        row = txn.insert(txn.idl.tables[wanted.table])
    columns = wanted.columns | {"external_ids": wanted.marks | {KEY: wanted.key}}
    for column, value in columns.items():
        if new or plain(getattr(row, column)) != plain(value):
            setattr(row, column, value)
            changed = True
    for column, children in wanted.children.items():
        changed |= _put_children(txn, row, column, children, new)
    return row, changed


def _put_children(txn: Any, parent: Any, column: str, wanted: list[Row], new_parent: bool) -> bool:
    changed = False
    present: dict[str, Any] = {}
    for child in [] if new_parent else list(getattr(parent, column)):
        key = child.external_ids.get(KEY, "")
        if key in present or key not in {row.key for row in wanted}:
            parent.delvalue(column, child.uuid)
            child.delete()
            changed = True
        else:
            present[key] = child
    for row in wanted:
        child, touched = put(txn, row, present.get(row.key))
        if row.key not in present:
            parent.addvalue(column, child.uuid)
        changed |= touched
    return changed


def plain(value: Any) -> Any:
    """A column's value as something that compares: sets lose their order, rows become their ids."""
    if isinstance(value, list | tuple | set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    return getattr(value, "uuid", value)
