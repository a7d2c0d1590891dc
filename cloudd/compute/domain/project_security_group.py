"""A project's security groups and rules, kept by the network service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest, Condition
from cloudd.kit.service import Cloud
from cloudd.network.client import NewRule, SecurityGroupClient, SecurityGroupDetail, SecurityGroupRule


class ProjectSecurityGroups:
    """Answers as compute did when it kept the groups itself: BadRequest where the network service says conflict."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    @property
    def network(self) -> SecurityGroupClient:
        return self.cloud.client(SecurityGroupClient)

    async def page(self, ctx: Context) -> list[SecurityGroupDetail]:
        return await self.network.page(ctx)

    async def show(self, ctx: Context, group_id: str) -> SecurityGroupDetail:
        return await self.network.get(ctx, _uuid(group_id))

    async def create(self, ctx: Context, name: str, description: str) -> SecurityGroupDetail:
        async with _refused():
            return await self.network.create(ctx, name, description)

    async def update(self, ctx: Context, group_id: str, name: str, description: str) -> SecurityGroupDetail:
        async with _refused():
            return await self.network.update(ctx, _uuid(group_id), name, description)

    async def delete(self, ctx: Context, group_id: str) -> None:
        """BadRequest while a port has it."""
        async with _refused():
            await self.network.delete(ctx, _uuid(group_id))

    async def add_rule(self, ctx: Context, rule: NewRule) -> SecurityGroupRule:
        for group_id in (rule.security_group_id, rule.remote_group_id):
            if group_id is not None:
                _uuid(group_id)
        async with _refused():
            return await self.network.add_rule(ctx, rule)

    async def remove_rule(self, ctx: Context, rule_id: str) -> None:
        await self.network.remove_rule(ctx, _uuid(rule_id))


@asynccontextmanager
async def _refused() -> AsyncIterator[None]:
    try:
        yield
    except Condition as error:
        if error.status == 409:
            raise BadRequest(reason=error.text) from error
        raise


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise BadRequest(reason="Security group id should be uuid") from None
