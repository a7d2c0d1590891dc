"""What a list of servers is asked for, read from its query."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cloudd.compute.api.shapes import truth
from cloudd.compute.domain.server_state import DELETED, STATUSES, states_of
from cloudd.compute.store.server_filter import ServerFilter
from cloudd.kit.auth import Context
from cloudd.kit.clock import parse
from cloudd.kit.errors import BadRequest
from cloudd.network.client import PortView

_PLAIN = {
    "image": "image_id",
    "flavor": "flavor_id",
    "reservation_id": "reservation_id",
    "user_id": "user_id",
    "key_name": "key_name",
    "availability_zone": "availability_zone",
    "host": "host",
    "task_state": "task_state",
}
_PATTERNS = {
    "name": "name",
    "display_name": "name",
    "description": "description",
    "access_ip_v4": "access_ipv4",
    "access_ip_v6": "access_ipv6",
    "hostname": "hostname",
}
# What only an administrator may filter by, before 2.83 opened some of them.
_OPERATORS = {"host", "task_state", "user_id", "description", "access_ip_v4", "access_ip_v6", "hostname", "vm_state", "power_state"}
_OPENED = {
    "availability_zone",
    "config_drive",
    "key_name",
    "created_at",
    "launched_at",
    "terminated_at",
    "power_state",
    "task_state",
    "vm_state",
    "user_id",
}


def server_filter(ctx: Context, query: Any) -> ServerFilter | None:
    """The filter, or None where it cannot match anything. BadRequest."""
    wanted = ServerFilter(all_projects=_all(query))
    asked = {key: query[key] for key in query if _allowed(ctx, key)}
    for key, name in _PLAIN.items():
        if key in asked:
            setattr(wanted, name, asked[key].rsplit("/", 1)[-1])
    for key, name in _PATTERNS.items():
        if key in asked:
            setattr(wanted, name, pattern(asked[key]))
    if ctx.is_admin and wanted.all_projects:
        wanted.project_id = query.get("project_id") or query.get("tenant_id")
    if "uuid" in asked:
        wanted.server_ids = list(query.getall("uuid", []))
    if "vm_state" in asked:
        wanted.vm_states = set(query.getall("vm_state", []))
    if "power_state" in asked:
        wanted.power_state = _number(asked["power_state"], "power_state")
    if "config_drive" in asked:
        wanted.config_drive = truth(asked["config_drive"], "config_drive")
    if "locked" in asked and ctx.version >= (2, 73):
        wanted.locked = truth(asked["locked"], "locked")
    wanted.deleted = ctx.is_admin and truth(asked.get("deleted"), "deleted")
    wanted.changed_since = _moment(query.get("changes-since") or query.get("changes_since"))
    if ctx.version >= (2, 66):
        wanted.changed_before = _moment(query.get("changes-before"))
        if wanted.changed_since and wanted.changed_before and wanted.changed_since > wanted.changed_before:
            raise BadRequest(reason="The value of changes-since must be less than or equal to changes-before.")
    if ctx.version >= (2, 26):
        for key, name in (("tags", "tags"), ("tags-any", "tags_any"), ("not-tags", "not_tags"), ("not-tags-any", "not_tags_any")):
            if key in query:
                setattr(wanted, name, [tag for tag in query[key].split(",") if tag])
    return _with_status(ctx, query, wanted)


def _with_status(ctx: Context, query: Any, wanted: ServerFilter) -> ServerFilter | None:
    statuses = [status.upper() for status in query.getall("status", [])]
    if not statuses:
        return wanted
    unknown = [status for status in statuses if status not in STATUSES]
    if unknown and ctx.version >= (2, 38):
        raise BadRequest(reason=f"Invalid status value: {', '.join(unknown)}")
    if unknown and len(unknown) == len(statuses):
        return None
    wanted.status_states, wanted.status_pairs = set(), set()
    for status in statuses:
        states, pairs = states_of(status)
        wanted.status_states |= states
        wanted.status_pairs |= pairs
    wanted.special_pairs = set().union(*(states_of(status)[1] for status in STATUSES))
    if DELETED in wanted.status_states:
        if not ctx.is_admin:
            return None
        wanted.deleted = True
    return wanted


def _allowed(ctx: Context, key: str) -> bool:
    if ctx.is_admin or key not in _OPERATORS:
        return True
    return ctx.version >= (2, 83) and key in _OPENED


def _all(query: Mapping[str, str]) -> bool:
    for key in ("all_tenants", "all_projects"):
        if key in query:
            return query[key] == "" or truth(query[key], key)
    return False


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError:
        raise BadRequest(reason=f"Invalid input for query parameters changes-since. Value: {text}.") from None


def _number(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadRequest(reason=f"Invalid {name} filter [{text}]") from None


def pattern(text: str) -> str:
    """A regular expression that the database can be given. BadRequest."""
    try:
        re.compile(text)
    except re.error as error:
        raise BadRequest(reason=f"{text!r} is no regular expression: {error}") from None
    return text


def addresses_wanted(ctx: Context, query: Mapping[str, str]) -> Callable[[Sequence[PortView]], bool] | None:
    """Whether a server's ports have an address that the query's ip and ip6 match; None when neither is asked for."""
    wanted = [
        re.compile(pattern(query[key])) for key in ("ip", "ip6") if key in query and (key == "ip" or ctx.version >= (2, 5) or ctx.is_admin)
    ]
    if not wanted:
        return None

    def matches(ports: Sequence[PortView]) -> bool:
        return any(expression.search(fixed.ip_address) for expression in wanted for port in ports for fixed in port.fixed_ips)

    return matches
