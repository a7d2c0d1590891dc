"""Image members over HTTP."""

from typing import Annotated, Any, Literal

import msgspec

from cloudd.image.api.shapes import member_view
from cloudd.image.domain.member import Members
from cloudd.kit.auth import Context
from cloudd.kit.web import route


class MemberCreate(msgspec.Struct):
    member: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class MemberUpdate(msgspec.Struct):
    status: Literal["pending", "accepted", "rejected"]


@route("GET", "/v2/images/{image_id:str}/members", rule="image:get_members")
async def list_members(ctx: Context, image_id: str, members: Members) -> dict[str, Any]:
    return {"members": [member_view(member) for member in await members.list(ctx, image_id)], "schema": "/v2/schemas/members"}


@route("POST", "/v2/images/{image_id:str}/members", rule="image:modify_member")
async def add_member(ctx: Context, image_id: str, data: MemberCreate, members: Members) -> dict[str, Any]:
    return member_view(await members.add(ctx, image_id, data.member))


@route("GET", "/v2/images/{image_id:str}/members/{member_id:str}", rule="image:get_members")
async def show_member(ctx: Context, image_id: str, member_id: str, members: Members) -> dict[str, Any]:
    return member_view(await members.show(ctx, image_id, member_id))


@route("PUT", "/v2/images/{image_id:str}/members/{member_id:str}", rule="image:modify_member")
async def answer_member(ctx: Context, image_id: str, member_id: str, data: MemberUpdate, members: Members) -> dict[str, Any]:
    return member_view(await members.answer(ctx, image_id, member_id, data.status))


@route("DELETE", "/v2/images/{image_id:str}/members/{member_id:str}", rule="image:modify_member", status=204)
async def remove_member(ctx: Context, image_id: str, member_id: str, members: Members) -> None:
    await members.remove(ctx, image_id, member_id)
