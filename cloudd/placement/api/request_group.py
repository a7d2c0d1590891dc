"""Request groups in a query: resources, required, member_of and in_tree, plain or with a suffix."""

import re
from collections.abc import Collection
from typing import Any

from cloudd.kit.auth import Context
from cloudd.placement.domain.landscape import Group
from cloudd.placement.errors import BadValue
from cloudd.placement.store.allocation import Amounts

_GRANULAR = re.compile(r"(resources|required|member_of|in_tree)([a-zA-Z0-9_-]{1,64})?")
_NUMBERED = re.compile(r"(resources|required|member_of|in_tree)([1-9][0-9]*)?")


def parse_resources(text: str) -> Amounts:
    """ "VCPU:2,MEMORY_MB:512" as amounts."""
    amounts: Amounts = {}
    for part in text.split(","):
        name, _, number = part.partition(":")
        if not re.fullmatch(r"[A-Z0-9_]+", name) or not re.fullmatch(r"[0-9]{1,10}", number) or int(number) < 1:
            raise BadValue(reason=f"Badly formed resources parameter. Expected the form VCPU:2,MEMORY_MB:64. Got: {text}")
        amounts[name] = int(number)
    return amounts


def parse_required(values: list[str], version: tuple[int, int]) -> tuple[list[frozenset[str]], frozenset[str]]:
    """Sets of which one trait each is wanted, and the forbidden traits."""
    if len(values) > 1 and version < (1, 39):
        raise BadValue(reason="The required parameter may be given once below microversion 1.39.")
    required: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for value in values:
        if value.startswith("in:"):
            if version < (1, 39):
                raise BadValue(reason="The 'in:' prefix of required needs microversion 1.39.")
            required.append(frozenset(_names(value[3:], value)))
            continue
        for name in _names(value, value):
            if name.startswith("!"):
                if version < (1, 22):
                    raise BadValue(reason="Forbidden traits need microversion 1.22.")
                forbidden.add(_names(name[1:], value)[0])
            else:
                required.append(frozenset({name}))
    if conflict := forbidden & {name for some in required for name in some if len(some) == 1}:
        raise BadValue(reason=f"Conflicting required and forbidden traits found: {', '.join(sorted(conflict))}.")
    return required, frozenset(forbidden)


def _names(text: str, value: str) -> list[str]:
    names = text.split(",")
    if not all(re.fullmatch(r"!?[A-Z0-9_]+", name) for name in names):
        raise BadValue(reason=f"Invalid query string parameters: required={value}: expected a comma-separated list of traits.")
    return names


def parse_member_of(values: list[str], version: tuple[int, int]) -> tuple[list[frozenset[str]], frozenset[str]]:
    """Sets of aggregates of one of which each the provider must be a member, and the forbidden aggregates."""
    if len(values) > 1 and version < (1, 24):
        raise BadValue(reason="The member_of parameter may be given once below microversion 1.24.")
    wanted: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for value in values:
        text = value.removeprefix("!")
        if text != value and version < (1, 32):
            raise BadValue(reason="Forbidden aggregates need microversion 1.32.")
        many = text.startswith("in:")
        identities = text.removeprefix("in:").split(",")
        if (len(identities) > 1 and not many) or not all(re.fullmatch(r"[0-9a-fA-F-]{32,36}", identity) for identity in identities):
            raise BadValue(reason=f"Invalid query string parameters: member_of={value}: expected a uuid, or 'in:' and uuids.")
        if text != value:
            forbidden.update(identities)
        else:
            wanted.append(frozenset(identities))
    return wanted, frozenset(forbidden)


def parse_groups(ctx: Context, query: Any, others: Collection[str]) -> list[Group]:
    """The groups of a query; `others` names the parameters that are none of theirs."""
    pattern = _GRANULAR if ctx.version >= (1, 33) else _NUMBERED
    groups: dict[str, Group] = {}
    for key in dict.fromkeys(query.keys()):
        if key in others:
            continue
        match = pattern.fullmatch(key)
        if match is None or (match[2] and ctx.version < (1, 25)):
            raise BadValue(reason=f"Invalid query string parameters: {key!r} is not allowed.")
        suffix = match[2] or ""
        group = groups.setdefault(suffix, Group(suffix=suffix))
        _fill(group, match[1], query.getall(key), ctx.version)
    for group in groups.values():
        if not group.resources and not (group.suffix and ctx.version >= (1, 36)):
            raise BadValue(reason=f"All request groups must specify resources; group {group.suffix!r} has none.")
    # A group without resources means something only beside others (same_subtree).
    if not any(group.resources for group in groups.values()):
        raise BadValue(reason="There must be at least one resources or resources[$S] parameter.")
    return list(groups.values())


#: the microversion that brought a parameter to candidates
_SINCE = {"resources": 10, "required": 17, "member_of": 21, "in_tree": 31}


def _fill(group: Group, kind: str, values: list[str], version: tuple[int, int]) -> None:
    if version < (1, _SINCE[kind]):
        raise BadValue(reason=f"Invalid query string parameters: {kind!r} needs microversion 1.{_SINCE[kind]}.")
    if kind == "resources":
        group.resources = parse_resources(values[-1])
    elif kind == "required":
        group.required, group.forbidden = parse_required(values, version)
    elif kind == "member_of":
        group.member_of, group.not_member_of = parse_member_of(values, version)
    else:
        group.in_tree = values[-1]
