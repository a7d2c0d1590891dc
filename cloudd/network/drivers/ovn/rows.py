"""Bring rows of the northbound database to a wanted shape, touching only what differs, and nobody else's.

Several workers write at once, each from a replica that may be a moment behind. So whoever changes an object verifies, in the same
transaction, that its root row still is as it was read (`external_ids`, where the revision stands) and so are the columns that hold its
children; and whoever makes a row in a table without unique names verifies and moves a counter. If anything of it moved meanwhile, the
server refuses and the work runs again over the newer replica.
"""

from typing import Any

import msgspec
from ovsdbapp.backend.ovs_idl import idlutils

from cloudd.network.drivers.base import DriverError, Kind, Spec

KIND, ID, REVISION, KEY, CLOUD = "cloudd:kind", "cloudd:id", "cloudd:revision", "cloudd:key", "cloudd:cloud"
NAMED = ("Logical_Switch", "Logical_Switch_Port", "Logical_Router", "Logical_Router_Port", "Port_Group", "HA_Chassis_Group")
#: Tables whose rows stand alone and whose names the schema does not keep unique.
NOT_UNIQUE = ("Logical_Switch", "Logical_Router", "DHCP_Options")


class Row(msgspec.Struct, kw_only=True):
    """A wanted row: `key` tells it from its siblings, `children` are rows that live in a column of it."""

    table: str
    key: str
    columns: dict[str, Any]
    marks: dict[str, str] = {}
    children: dict[str, list["Row"]] = {}


class BelongsToAnother(DriverError):
    """A row with our name carries another cloud's mark: two clouds share their ids, as copies of one database do."""


def marks_of(kind: Kind, spec: Spec) -> dict[str, str]:
    """The external_ids by which an object of ours is known again."""
    return {KIND: kind, ID: spec.id, REVISION: str(spec.revision)}


def create_indexes(tables: Any) -> None:
    """Names are looked up on every change; without an index each look-up would walk the table."""
    for table in NAMED:
        tables[table].rows.index_create("name").add_column("name")
    tables["DHCP_Options"].rows.index_create("cidr").add_column("cidr")


def is_newer(row: Any | None, revision: int) -> bool:
    """Whether the row was written from a later state than `revision`."""
    return row is not None and int(row.external_ids.get(REVISION, "0")) > revision


class Northbound:
    """One transaction's view of the database, through the eyes of the cloud `cloud_id`."""

    def __init__(self, txn: Any, cloud_id: str) -> None:
        self._txn = txn
        self.tables = txn.idl.tables
        self.cloud_id = cloud_id
        self._took_turn = False

    def find(self, table: str, name: str) -> Any | None:
        """The row of that name, or None; one without any cloud's mark is ours from before there were marks. Raises BelongsToAnother."""
        row = next(iter(idlutils.index_lookup_all(self.tables[table], name=name)), None)
        if row is not None and row.external_ids.get(CLOUD, self.cloud_id) != self.cloud_id:
            raise BelongsToAnother(f"{table} {name} belongs to the cloud {row.external_ids[CLOUD]}, and this one is {self.cloud_id}")
        return row

    def marked(self, table: str, mark: str, value: str) -> list[Any]:
        """Our rows of a small table by one of their external_ids."""
        return [row for row in self.tables[table].rows.values() if row.external_ids.get(mark) == value and self.owns(row)]

    def owns(self, row: Any) -> bool:
        """Whether the row is this cloud's, or from before there were marks."""
        return bool(row.external_ids.get(CLOUD, self.cloud_id) == self.cloud_id)

    def verify(self, row: Any, column: str) -> None:
        """Let the transaction fail, and run again, if the column is no longer as the replica has it."""
        row.verify(column)
        # The library forgets the wish for a row that is not changed otherwise.
        self._txn._txn_rows[row.uuid] = row

    def put(self, wanted: Row, row: Any | None) -> tuple[Any, bool]:
        """Make or correct a row and its children; answers the row and whether anything was changed."""
        new = row is None
        if row is None:
            if wanted.table in NOT_UNIQUE:
                self._take_turn()
            row = self._txn.insert(self.tables[wanted.table])
        elif REVISION in wanted.marks:
            self.verify(row, "external_ids")
        changed = new
        columns = wanted.columns | {"external_ids": wanted.marks | {KEY: wanted.key, CLOUD: self.cloud_id}}
        for column, value in columns.items():
            if new or plain(getattr(row, column)) != plain(value):
                setattr(row, column, value)
                changed = True
        for column, children in wanted.children.items():
            changed |= self._put_children(row, column, children, new)
        return row, changed

    def _put_children(self, parent: Any, column: str, wanted: list[Row], new_parent: bool) -> bool:
        changed = False
        present: dict[str, Any] = {}
        if not new_parent:
            self.verify(parent, column)
        for child in [] if new_parent else list(getattr(parent, column)):
            key = child.external_ids.get(KEY, "")
            if key in present or key not in {row.key for row in wanted}:
                parent.delvalue(column, child.uuid)
                if child._table.is_root:  # others go by themselves
                    child.delete()
                changed = True
            else:
                present[key] = child
        for row in wanted:
            child, touched = self.put(row, present.get(row.key))
            if row.key not in present:
                parent.addvalue(column, child.uuid)
            changed |= touched
        return changed

    def _take_turn(self) -> None:
        """Of two who make rows at once, one goes first and the other looks again."""
        mark = f"cloudd:made:{self.cloud_id}"
        root = next(iter(self.tables["NB_Global"].rows.values()), None)
        if root is None:
            # Of this table the schema allows one row.
            root = self._txn.insert(self.tables["NB_Global"])
            root.external_ids = {mark: "1"}
        elif not self._took_turn:
            self._took_turn = True
            self.verify(root, "external_ids")
            root.setkey("external_ids", mark, str(int(root.external_ids.get(mark, "0")) + 1))


def plain(value: Any) -> Any:
    """A column's value as something that compares: sets lose their order, rows become their ids."""
    if isinstance(value, list | tuple | set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    return getattr(value, "uuid", value)
