"""Quotas: how many of each resource a project may have, counted in the transaction that makes one more."""

from __future__ import annotations

import sqlalchemy as sa

from cloudd.kit.db import Transaction
from cloudd.kit.lock import hold
from cloudd.kit.service import Cloud
from cloudd.network.errors import QuotaExceeded
from cloudd.network.settings import NetworkSettings
from cloudd.network.store.floating_ip import floating_ip_table
from cloudd.network.store.network import network_table
from cloudd.network.store.port import port_table
from cloudd.network.store.quota import Quota, quota_table
from cloudd.network.store.router import router_table
from cloudd.network.store.security_group import security_group_table
from cloudd.network.store.security_group_rule import security_group_rule_table
from cloudd.network.store.stores import Stores
from cloudd.network.store.subnet import subnet_table
from cloudd.network.store.subnet_pool import subnet_pool_table

TABLES: dict[str, sa.Table] = {
    "network": network_table,
    "subnet": subnet_table,
    "port": port_table,
    "router": router_table,
    "floatingip": floating_ip_table,
    "security_group": security_group_table,
    "security_group_rule": security_group_rule_table,
    "subnetpool": subnet_pool_table,
}


class Quotas:
    def __init__(self, cloud: Cloud, stores: Stores) -> None:
        self._db = cloud.db
        self._store = stores.quotas
        settings = cloud.settings.section(NetworkSettings)
        self.defaults: dict[str, int] = {name: getattr(settings, f"quota_{name}") for name in TABLES}

    async def reserve(self, tx: Transaction, project_id: str, resource: str, amount: int = 1) -> None:
        """Raises QuotaExceeded when `amount` more would be too many."""
        if not project_id:
            return  # the service's own
        await hold(tx, f"network.quota/{project_id}")
        limit = (await self._limits(tx, project_id))[resource]
        if limit >= 0 and await self._used(tx, project_id, resource) + amount > limit:
            raise QuotaExceeded(resource=resource)

    async def limits(self, project_id: str) -> dict[str, int]:
        async with self._db.read() as tx:
            return await self._limits(tx, project_id)

    async def usage(self, project_id: str) -> dict[str, int]:
        async with self._db.read() as tx:
            return {resource: await self._used(tx, project_id, resource) for resource in TABLES}

    async def projects(self) -> dict[str, dict[str, int]]:
        """Every project that has limits of its own."""
        async with self._db.read() as tx:
            rows = await self._store.find(tx)
        return {row.project_id: await self.limits(row.project_id) for row in rows}

    async def set(self, project_id: str, limits: dict[str, int]) -> dict[str, int]:
        async with self._db.write() as tx:
            for resource, limit in limits.items():
                key = f"{project_id}/{resource}"
                if not await self._store.update(tx, key, limit=limit):
                    await self._store.insert(tx, Quota(id=key, project_id=project_id, resource=resource, limit=limit))
            return await self._limits(tx, project_id)

    async def reset(self, project_id: str) -> None:
        async with self._db.write() as tx:
            await self._store.delete_where(tx, quota_table.c.project_id == project_id)

    async def _limits(self, tx: Transaction, project_id: str) -> dict[str, int]:
        own = {row.resource: row.limit for row in await self._store.find(tx, quota_table.c.project_id == project_id)}
        return self.defaults | own

    async def _used(self, tx: Transaction, project_id: str, resource: str) -> int:
        table = TABLES[resource]
        return int(await tx.scalar(sa.select(sa.func.count()).select_from(table).where(table.c.project_id == project_id)) or 0)
