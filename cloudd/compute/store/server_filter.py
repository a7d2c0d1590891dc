"""What a list of servers can be narrowed by, as SQL conditions."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from cloudd.compute.store.server import server_table
from cloudd.kit.store import json_contains


class ServerFilter(msgspec.Struct, kw_only=True):
    """None or empty: not asked for. `names`, `hosts` and addresses are regular expressions or parts of a name."""

    project_id: str | None = None
    all_projects: bool = False
    user_id: str | None = None
    name: str | None = None
    description: str | None = None
    image_id: str | None = None
    flavor_id: str | None = None
    host: str | None = None
    availability_zone: str | None = None
    key_name: str | None = None
    reservation_id: str | None = None
    server_ids: list[str] | None = None
    vm_states: set[str] | None = None
    # Pairs of vm state and task state, and vm states whose server does nothing special.
    status_states: set[str] | None = None
    status_pairs: set[tuple[str, str]] = set()
    #: the pairs that show as something else than their vm state
    special_pairs: set[tuple[str, str]] = set()
    task_state: str | None = None
    power_state: int | None = None
    locked: bool | None = None
    config_drive: bool | None = None
    tags: list[str] = []
    tags_any: list[str] = []
    not_tags: list[str] = []
    not_tags_any: list[str] = []
    access_ipv4: str | None = None
    access_ipv6: str | None = None
    hostname: str | None = None
    changed_since: datetime | None = None
    changed_before: datetime | None = None
    deleted: bool = False


def conditions(wanted: ServerFilter) -> list[sa.ColumnElement[bool]]:
    """The WHERE of a filter."""
    c = server_table.c
    where: list[sa.ColumnElement[bool]] = []
    for column, value in (
        (c.project_id, wanted.project_id),
        (c.user_id, wanted.user_id),
        (c.image_id, wanted.image_id),
        (c.flavor_id, wanted.flavor_id),
        (c.host, wanted.host),
        (c.availability_zone, wanted.availability_zone),
        (c.key_name, wanted.key_name),
        (c.reservation_id, wanted.reservation_id),
        (c.task_state, wanted.task_state),
        (c.power_state, wanted.power_state),
        (c.config_drive, wanted.config_drive),
    ):
        if value is not None:
            where.append(column == value)
    for column, pattern in (
        (c.name, wanted.name),
        (c.description, wanted.description),
        (c.access_ipv4, wanted.access_ipv4),
        (c.access_ipv6, wanted.access_ipv6),
        (c.hostname, wanted.hostname),
    ):
        if pattern is not None:
            where.append(column.regexp_match(pattern))
    if wanted.server_ids is not None:
        where.append(c.id.in_(wanted.server_ids))
    if wanted.vm_states is not None:
        where.append(c.vm_state.in_(wanted.vm_states))
    if wanted.status_states is not None:
        where.append(_status(wanted))
    if wanted.locked is not None:
        where.append(c.locked_by.is_not(None) if wanted.locked else c.locked_by.is_(None))
    if wanted.changed_since is not None:
        where.append(c.updated_at >= wanted.changed_since)
    if wanted.changed_before is not None:
        where.append(c.updated_at <= wanted.changed_before)
    if wanted.deleted:
        where.append(c.deleted_at.is_not(None))
    elif wanted.changed_since is None and wanted.changed_before is None:
        # Who asks for changes is told of deletions too.
        where.append(c.deleted_at.is_(None))
    return [*where, *_tags(wanted)]


def _status(wanted: ServerFilter) -> sa.ColumnElement[bool]:
    c = server_table.c

    def pair(state: str, task: str) -> sa.ColumnElement[bool]:
        return sa.and_(c.vm_state == state, c.task_state == task)

    special = sa.or_(sa.false(), *(pair(*names) for names in wanted.special_pairs))
    plain = sa.and_(c.vm_state.in_(wanted.status_states or set()), sa.or_(c.task_state.is_(None), sa.not_(special)))
    return sa.or_(plain, *(pair(*names) for names in wanted.status_pairs))


def _tags(wanted: ServerFilter) -> list[sa.ColumnElement[bool]]:
    def has(tag: str) -> sa.ColumnElement[bool]:
        return json_contains(server_table.c.tags, msgspec.json.encode(tag).decode())

    where = [has(tag) for tag in wanted.tags] + [sa.not_(sa.and_(*map(has, wanted.not_tags)))] * bool(wanted.not_tags)
    if wanted.tags_any:
        where.append(sa.or_(*map(has, wanted.tags_any)))
    where += [sa.not_(sa.or_(*map(has, wanted.not_tags_any)))] * bool(wanted.not_tags_any)
    return where
