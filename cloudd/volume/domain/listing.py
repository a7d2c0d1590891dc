"""The filters of the lists of volumes and snapshots, as conditions on their tables."""

import ast
import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from cloudd.kit.auth import Context
from cloudd.kit.clock import parse
from cloudd.volume.errors import InvalidInput
from cloudd.volume.store.attachment import attachment_table
from cloudd.volume.store.snapshot import snapshot_table
from cloudd.volume.store.volume import has_metadata, volume_table

_COMPARISONS = {"gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__", "eq": "__eq__", "neq": "__ne__"}
_VOLUME_COLUMNS = {
    "name": "name", "display_name": "name", "status": "status", "id": "id", "availability_zone": "availability_zone", "size": "size",
    "volume_type_id": "type_id", "snapshot_id": "snapshot_id", "source_volid": "source_volume_id", "user_id": "user_id",
    "description": "description",
}  # fmt: skip
_SNAPSHOT_COLUMNS = {"name": "name", "display_name": "name", "status": "status", "id": "id", "volume_id": "volume_id", "user_id": "user_id"}
_ATTACHMENT_COLUMNS = {"volume_id": "volume_id", "status": "status", "instance_id": "server_id", "attachment_id": "id"}

Where = list[sa.ColumnElement[bool]]


def is_true(text: str | None) -> bool:
    return (text or "").strip().lower() in ("1", "true", "t", "yes", "y", "on")


def volume_filters(ctx: Context, query: Mapping[str, str]) -> Where:
    where = _owned(ctx, query, volume_table) + _columns(query, volume_table, _VOLUME_COLUMNS, ctx.version)
    where += _moments(query, volume_table, ctx.version)
    for key, column in (("bootable", "bootable"), ("multiattach", "multiattach")):
        if key in query:
            where.append(volume_table.c[column] == is_true(query[key]))
    where += _pairs(query, "metadata", volume_table)
    if ctx.version >= (3, 4):
        where += _pairs(query, "glance_metadata", volume_table, "image_metadata")
    if ctx.is_admin and "host" in query:
        where.append(volume_table.c.host == query["host"].partition("@")[0])
    return where


def snapshot_filters(ctx: Context, query: Mapping[str, str]) -> Where:
    where = _owned(ctx, query, snapshot_table) + _columns(query, snapshot_table, _SNAPSHOT_COLUMNS, ctx.version)
    where += _moments(query, snapshot_table, ctx.version)
    return where + (_pairs(query, "metadata", snapshot_table) if ctx.version >= (3, 22) else [])


def attachment_filters(ctx: Context, query: Mapping[str, str]) -> Where:
    return _owned(ctx, query, attachment_table) + _columns(query, attachment_table, _ATTACHMENT_COLUMNS, ctx.version)


def _owned(ctx: Context, query: Mapping[str, str], table: sa.Table) -> Where:
    """One project's rows; an administrator may ask for everybody's."""
    if ctx.is_admin and (is_true(query.get("all_tenants")) or "project_id" in query):
        return [table.c.project_id == query["project_id"]] if "project_id" in query else []
    return [table.c.project_id == ctx.project]


def _columns(query: Mapping[str, str], table: sa.Table, columns: dict[str, str], version: tuple[int, int]) -> Where:
    where: Where = []
    for key, name in columns.items():
        column = table.c[name]
        if key in query:
            value: Any = query[key]
            if isinstance(column.type, sa.Integer):
                if not re.fullmatch(r"[0-9]{1,9}", value):
                    raise InvalidInput(reason=f"{key} must be a number, not {value!r}.")
                value = int(value)
            where.append(column == value)
        if version >= (3, 31) and (like := query.get(f"{key}~")):
            where.append(column.contains(like, autoescape=True))
    return where


def _moments(query: Mapping[str, str], table: sa.Table, version: tuple[int, int]) -> Where:
    """created_at=gt:2026-01-01T00:00:00,lt:… (3.60)"""
    where: Where = []
    for key in ("created_at", "updated_at"):
        for part in query.get(key, "").split(",") if version >= (3, 60) and query.get(key) else []:
            operator, _, text = part.partition(":")
            try:
                moment, method = parse(text), _COMPARISONS[operator]
            except (KeyError, ValueError):
                raise InvalidInput(reason=f"Filters by {key} are [gt|gte|lt|lte|eq|neq]:<ISO 8601 time>, not {part!r}.") from None
            where.append(getattr(table.c[key], method)(moment))
    return where


def _pairs(query: Mapping[str, str], key: str, table: sa.Table, column: str = "metadata") -> Where:
    """A dictionary in the query, in JSON or as Python writes it."""
    if key not in query:
        return []
    try:
        pairs = ast.literal_eval(query[key])
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        pairs = None
    if not isinstance(pairs, dict):
        raise InvalidInput(reason=f"{key} must be a dictionary, not {query[key]!r}.")
    return [has_metadata(table, str(name), str(value), column) for name, value in pairs.items()]
