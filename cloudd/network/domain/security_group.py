"""Security groups: sets of rules, and the default group that every project has."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

import msgspec
from msgspec import UNSET, UnsetType

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.network.domain.records import Ground, Query, Records, changed, owner_of
from cloudd.network.errors import DefaultSecurityGroup, DefaultSecurityGroupExists, SecurityGroupInUse, SecurityGroupNotFound
from cloudd.network.store.security_group import SecurityGroup, security_group_table
from cloudd.network.store.security_group_rule import SecurityGroupRule, security_group_rule_table

Text = Annotated[str, msgspec.Meta(max_length=255)]
DEFAULT_NAME = "default"


class SecurityGroupCreate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Text = ""
    description: Text = ""
    stateful: bool = True
    project_id: str | None = None
    tenant_id: str | None = None


class SecurityGroupUpdate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    stateful: bool | UnsetType = UNSET


class SecurityGroupDetail(msgspec.Struct, kw_only=True):
    group: SecurityGroup
    rules: list[SecurityGroupRule]
    tags: list[str]


class SecurityGroups(Records[SecurityGroup, SecurityGroupDetail]):
    not_found, key = SecurityGroupNotFound, "security_group_id"

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground, ground.stores.groups)

    async def describe(self, tx: Transaction, records: list[SecurityGroup]) -> list[SecurityGroupDetail]:
        ids = [group.id for group in records]
        rules: dict[str, list[SecurityGroupRule]] = {group_id: [] for group_id in ids}
        column = security_group_rule_table.c
        for rule in await self.stores.rules.find(tx, column.security_group_id.in_(ids), order=column.created_at):
            rules[rule.security_group_id].append(rule)
        tags = await self.stores.tags.of(tx, ids)
        return [SecurityGroupDetail(group=group, rules=rules[group.id], tags=tags[group.id]) for group in records]

    async def page(self, ctx: Context, query: Query) -> list[SecurityGroupDetail]:
        if ctx.project_id is not None:
            await self.ensure_default(ctx.project_id)
        return await super().page(ctx, query)

    async def ensure_default(self, project_id: str) -> None:
        """Give the project its default group if it has none yet."""
        async with self.ground.cloud.db.read() as tx:
            if await self.store.count(tx, security_group_table.c.default_of == project_id):
                return

        async def work(tx: Transaction) -> None:
            await self.default_of(tx, project_id)

        await self.ground.write(work)

    async def default_of(self, tx: Transaction, project_id: str) -> SecurityGroup:
        """The project's default group; made now if there is none: out everything, in only from its own members."""
        found = await self.store.find(tx, security_group_table.c.default_of == project_id)
        if found:
            return found[0]
        group = SecurityGroup(
            id=str(uuid4()),
            project_id=project_id,
            name=DEFAULT_NAME,
            description="Default security group",
            default_of=project_id,
            created_at=now(),
            updated_at=now(),
        )
        await self._insert(tx, group)
        return group

    async def create(self, ctx: Context, spec: SecurityGroupCreate) -> SecurityGroupDetail:
        owner = owner_of(ctx, spec.project_id, spec.tenant_id)
        if spec.name == DEFAULT_NAME:
            raise DefaultSecurityGroupExists()
        await self.ensure_default(owner)
        group = SecurityGroup(
            id=str(uuid4()),
            project_id=owner,
            name=spec.name,
            description=spec.description,
            stateful=spec.stateful,
            created_at=now(),
            updated_at=now(),
        )

        async def work(tx: Transaction) -> SecurityGroupDetail:
            await self.ground.quotas.reserve(tx, owner, "security_group")
            await self._insert(tx, group)
            return await self.detail(tx, await self.reload(tx, group))

        return await self.ground.write(work)

    async def _insert(self, tx: Transaction, group: SecurityGroup) -> None:
        await self.store.insert(tx, group)
        rules: list[tuple[str, str, str | None]] = [("egress", ethertype, None) for ethertype in ("IPv4", "IPv6")]
        if group.default_of is not None:
            rules += [("ingress", ethertype, group.id) for ethertype in ("IPv4", "IPv6")]
        made = [
            SecurityGroupRule(
                id=str(uuid4()),
                project_id=group.project_id,
                security_group_id=group.id,
                direction=direction,
                ethertype=ethertype,
                remote_group_id=remote,
                created_at=now(),
                updated_at=now(),
            )
            for direction, ethertype, remote in rules
        ]
        await self.stores.rules.insert_all(tx, made)
        await self.ground.changes.mark(tx, "security_group", group.id)

    async def update(self, ctx: Context, group_id: str, spec: SecurityGroupUpdate) -> SecurityGroupDetail:
        async def work(tx: Transaction) -> SecurityGroupDetail:
            group: SecurityGroup = await self.own(tx, ctx, group_id)
            if group.default_of is not None and spec.name not in (UNSET, group.name):
                raise DefaultSecurityGroup()
            if group.default_of is None and spec.name == DEFAULT_NAME:
                raise DefaultSecurityGroupExists()
            await self.touch(tx, group_id, **changed(spec, "name", "description", "stateful"))
            await self.ground.changes.mark(tx, "security_group", group_id)
            return await self.detail(tx, await self.load(tx, ctx, group_id))

        return await self.ground.write(work)

    async def delete(self, ctx: Context, group_id: str) -> None:
        """Raises SecurityGroupInUse while ports have it; the default group is the admin's to delete."""

        async def work(tx: Transaction) -> None:
            group: SecurityGroup = await self.own(tx, ctx, group_id)
            if group.default_of is not None and not ctx.is_admin:
                raise DefaultSecurityGroup()
            if await self.stores.ports.ids_in_group(tx, group_id):
                raise SecurityGroupInUse(security_group_id=group_id)
            column = security_group_rule_table.c
            pointing = await self.stores.rules.find(tx, column.remote_group_id == group_id, column.security_group_id != group_id)
            await self.stores.rules.delete_where(tx, column.security_group_id == group_id)
            # Upstream drops the rules that name a group with the group.
            await self.stores.rules.delete_where(tx, column.remote_group_id == group_id)
            await self.stores.tags.replace(tx, group_id, [])
            await self.store.delete(tx, group_id)
            await self.ground.changes.mark(tx, "security_group", group_id, *(rule.security_group_id for rule in pointing))

        await self.ground.write(work)
