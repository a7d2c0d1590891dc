"""Allocation candidates over HTTP."""

import re
from typing import Any

from litestar import Request, Response

from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.placement.api.answer import answer, since
from cloudd.placement.api.request_group import parse_groups, parse_required
from cloudd.placement.domain.candidate import Candidate, Candidates
from cloudd.placement.domain.candidate import Request as CandidateRequest
from cloudd.placement.domain.landscape import Group, Landscape
from cloudd.placement.errors import BadValue

#: parameters that belong to no group, each with the microversion that brought it
_OTHERS = {"limit": 16, "group_policy": 25, "root_required": 35, "same_subtree": 36}


def parse(ctx: Context, query: Any) -> CandidateRequest:
    for key in set(query) & set(_OTHERS):
        if ctx.version < (1, _OTHERS[key]):
            raise BadValue(reason=f"Invalid query string parameters: {key!r} needs microversion 1.{_OTHERS[key]}.")
    groups = parse_groups(ctx, query, _OTHERS)
    suffixes = {group.suffix for group in groups if group.suffix}
    policy = query.get("group_policy")
    if policy not in (None, "none", "isolate"):
        raise BadValue(reason=f"Invalid query string parameters: group_policy {policy!r} is neither 'none' nor 'isolate'.")
    if policy is None and len([group for group in groups if group.suffix and group.resources]) > 1:
        raise BadValue(reason='The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.')
    limit = query.get("limit")
    if limit is not None and (not re.fullmatch(r"[0-9]{1,9}", limit) or int(limit) < 1):
        raise BadValue(reason=f"Invalid query string parameters: limit {limit!r} is no positive number.")
    subtrees = [frozenset(text.split(",")) for text in query.getall("same_subtree", [])]
    if unknown := frozenset().union(*subtrees) - suffixes:
        raise BadValue(reason=f"Real suffixes should be specified in same_subtree: {', '.join(sorted(unknown))}.")
    if any(not group.resources and not any(group.suffix in subtree for subtree in subtrees) for group in groups):
        raise BadValue(reason="A request group without resources must be named in same_subtree.")
    root_required, root_forbidden = parse_required(query.getall("root_required", []), min(ctx.version, (1, 38)))
    return CandidateRequest(
        groups=groups,
        limit=int(limit) if limit else None,
        isolate=policy == "isolate",
        same_subtree=subtrees,
        root_required=frozenset(name for some in root_required for name in some),
        root_forbidden=root_forbidden,
        nested=ctx.version >= (1, 29),
    )


def request_view(ctx: Context, candidate: Candidate) -> dict[str, Any]:
    if ctx.version < (1, 12):
        return {
            "allocations": [
                {"resource_provider": {"uuid": provider_id}, "resources": amounts} for provider_id, amounts in candidate.allocations.items()
            ]
        }
    body: dict[str, Any] = {"allocations": {provider_id: {"resources": amounts} for provider_id, amounts in candidate.allocations.items()}}
    if ctx.version >= (1, 34):
        body["mappings"] = candidate.mappings
    return body


def summaries(ctx: Context, found: list[Candidate], landscape: Landscape, groups: list[Group]) -> dict[str, Any]:
    shown = {provider_id for candidate in found for mapped in candidate.mappings.values() for provider_id in mapped}
    if ctx.version >= (1, 29):
        roots = {landscape.nodes[provider_id].provider.root_id for provider_id in shown}
        shown |= {node.provider.id for root_id in roots for node in landscape.trees[root_id]}
    asked = {name for group in groups for name in group.resources}
    body: dict[str, Any] = {}
    for provider_id in sorted(shown):
        node = landscape.nodes[provider_id]
        resources = {
            name: {"capacity": inventory.capacity, "used": node.used.get(name, 0)}
            for name, inventory in node.inventories.items()
            if ctx.version >= (1, 27) or name in asked
        }
        body[provider_id] = {"resources": resources}
        if ctx.version >= (1, 17):
            body[provider_id]["traits"] = sorted(node.traits)
        if ctx.version >= (1, 29):
            body[provider_id] |= {"parent_provider_uuid": node.provider.parent_id, "root_provider_uuid": node.provider.root_id}
    return body


@route("GET", "/allocation_candidates", rule="placement:allocation_candidates:list")
async def list_candidates(ctx: Context, request: Request[Any, Any, Any], candidates: Candidates) -> Response[Any]:
    since(ctx, 10)
    asked = parse(ctx, request.query_params)
    found, landscape = await candidates.find(asked)
    body = {
        "allocation_requests": [request_view(ctx, candidate) for candidate in found],
        "provider_summaries": summaries(ctx, found, landscape, asked.groups),
    }
    return answer(ctx, body)
