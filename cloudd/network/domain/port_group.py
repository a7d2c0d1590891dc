"""The security groups of a server's ports, as compute shows and changes them."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from cloudd.kit.auth import Context
from cloudd.kit.db import Transaction
from cloudd.network.domain.attachment import Attachments
from cloudd.network.domain.records import Ground
from cloudd.network.domain.security_group import SecurityGroupDetail, SecurityGroups
from cloudd.network.errors import SecurityGroupNotApplicable, SecurityGroupNotAssociated
from cloudd.network.store.port import port_table
from cloudd.network.store.security_group import security_group_table


class PortGroups:
    def __init__(self, ground: Ground, attachments: Attachments, groups: SecurityGroups) -> None:
        self._ground = ground
        self._stores = ground.stores
        self._attachments = attachments
        self._groups = groups

    async def of_server(self, device_id: str) -> list[SecurityGroupDetail]:
        """The groups that at least one of the server's ports has, by name."""
        async with self._ground.cloud.db.read() as tx:
            ports = await self._stores.ports.find(tx, port_table.c.device_id == device_id)
            held = await self._stores.ports.groups_of(tx, [port.id for port in ports])
            ids = {group_id for group_ids in held.values() for group_id in group_ids}
            column = security_group_table.c
            return await self._groups.describe(tx, await self._stores.groups.find(tx, column.id.in_(ids), order=column.name))

    async def add(self, ctx: Context, device_id: str, group: str) -> None:
        """Every port of the server that has port security has the group (a name or an id) from now on."""

        async def work(tx: Transaction) -> None:
            group_id, held = await self._held(tx, ctx, device_id, group)
            if not held:
                raise SecurityGroupNotApplicable(security_group_id=group, device_id=device_id)
            for port_id, group_ids in held.items():
                if group_id not in group_ids:
                    await self._set(tx, port_id, [*group_ids, group_id])

        await self._ground.write(work)

    async def remove(self, ctx: Context, device_id: str, group: str) -> None:
        """No port of the server has the group (a name or an id) any more."""

        async def work(tx: Transaction) -> None:
            group_id, held = await self._held(tx, ctx, device_id, group)
            having = {port_id: group_ids for port_id, group_ids in held.items() if group_id in group_ids}
            if not having:
                raise SecurityGroupNotAssociated(security_group_id=group, device_id=device_id)
            for port_id, group_ids in having.items():
                await self._set(tx, port_id, [one for one in group_ids if one != group_id])

        await self._ground.write(work)

    async def _held(self, tx: Transaction, ctx: Context, device_id: str, group: str) -> tuple[str, dict[str, list[str]]]:
        """The group's id, and by port what groups it has now."""
        (group_id,) = await self._attachments.group_ids(tx, ctx, [group])
        column = port_table.c
        ports = await self._stores.ports.find(tx, column.device_id == device_id, column.port_security_enabled.is_(sa.true()))
        return group_id, await self._stores.ports.groups_of(tx, [port.id for port in ports])

    async def _set(self, tx: Transaction, port_id: str, group_ids: Collection[str]) -> None:
        await self._stores.ports.set_groups(tx, port_id, group_ids)
        await self._ground.changes.mark(tx, "port", port_id)
