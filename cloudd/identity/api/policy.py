"""/v3/policies."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request
from msgspec import UNSET, UnsetType

from cloudd.identity.api.shapes import Links, changes_of, filters_of, page_of
from cloudd.identity.domain.policy import Policies
from cloudd.identity.domain.records import new_id
from cloudd.identity.store.policy import Policy
from cloudd.kit.web import route

Type = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class PolicyCreate(msgspec.Struct):
    type: Type
    blob: str


class PolicyCreateRequest(msgspec.Struct):
    policy: PolicyCreate


class PolicyUpdate(msgspec.Struct):
    type: Type | UnsetType = UNSET
    blob: str | UnsetType = UNSET


class PolicyUpdateRequest(msgspec.Struct):
    policy: PolicyUpdate


@route("GET", "/v3/policies", rule="identity:list_policy")
async def list_policies(request: Request[Any, Any, Any], policies: Policies, links: Links) -> dict[str, Any]:
    found = await policies.find(page_of(request, ["type"]), filters_of(request, "type"))
    return links.many("policies", [msgspec.structs.asdict(p) for p in found])


@route("POST", "/v3/policies", rule="identity:create_policy", status=201)
async def create_policy(data: PolicyCreateRequest, policies: Policies, links: Links) -> dict[str, Any]:
    made = await policies.create(Policy(id=new_id(), type=data.policy.type, blob=data.policy.blob))
    return {"policy": links.one("policies", msgspec.structs.asdict(made))}


@route("GET", "/v3/policies/{policy_id:str}", rule="identity:show_policy")
async def show_policy(policy_id: str, policies: Policies, links: Links) -> dict[str, Any]:
    return {"policy": links.one("policies", msgspec.structs.asdict(await policies.get(policy_id)))}


@route("PATCH", "/v3/policies/{policy_id:str}", rule="identity:update_policy")
async def update_policy(policy_id: str, data: PolicyUpdateRequest, policies: Policies, links: Links) -> dict[str, Any]:
    return {"policy": links.one("policies", msgspec.structs.asdict(await policies.update(policy_id, changes_of(data.policy))))}


@route("DELETE", "/v3/policies/{policy_id:str}", rule="identity:delete_policy", status=204)
async def delete_policy(policy_id: str, policies: Policies) -> None:
    await policies.delete(policy_id)
