"""Quotas: the limits of a project, and what it uses of them, counted from the rows."""

import uuid

import msgspec

from cloudd.compute.errors import QuotaExceeded
from cloudd.compute.settings import ComputeSettings, QuotaSettings
from cloudd.compute.store.keypair import KeypairStore, keypair_table
from cloudd.compute.store.quota import Quota, QuotaStore
from cloudd.compute.store.server import ServerStore
from cloudd.compute.store.server_group import ServerGroupStore, server_group_table
from cloudd.kit.db import Transaction
from cloudd.kit.errors import BadRequest
from cloudd.kit.lock import hold
from cloudd.kit.service import Cloud

RESOURCES = tuple(field.name for field in msgspec.structs.fields(QuotaSettings))


class Quotas:
    """Checked inside the transaction that makes the resource, so that two requests cannot both take the last place."""

    def __init__(self, cloud: Cloud) -> None:
        self.db = cloud.db
        self.store = QuotaStore()
        self.servers = ServerStore()
        self.keypairs = KeypairStore()
        self.groups = ServerGroupStore()
        self.defaults: dict[str, int] = msgspec.structs.asdict(cloud.settings.section(ComputeSettings).quota)

    async def limits(self, tx: Transaction, project_id: str) -> dict[str, int]:
        """Every limit of a project; -1 is none."""
        return {**self.defaults, **await self.store.of(tx, project_id)}

    async def show(self, project_id: str) -> dict[str, int]:
        """The same for a request."""
        async with self.db.read() as tx:
            return await self.limits(tx, project_id)

    async def usage(self, project_id: str, user_id: str | None = None) -> dict[str, int]:
        """What is used of each resource; those counted within one server or group are 0."""
        async with self.db.read() as tx:
            servers = await self.servers.usage(tx, project_id)
            groups = await self.groups.count(tx, server_group_table.c.project_id == project_id)
            keypairs = await self.keypairs.count(tx, keypair_table.c.user_id == user_id) if user_id else 0
        used = dict.fromkeys(RESOURCES, 0)
        return {
            **used,
            "instances": servers.instances,
            "cores": servers.cores,
            "ram": servers.ram,
            "server_groups": groups,
            "key_pairs": keypairs,
        }

    async def set(self, project_id: str, limits: dict[str, int], *, force: bool) -> dict[str, int]:
        """BadRequest where a limit is below what is used, unless forced."""
        used = {} if force else await self.usage(project_id)
        for resource, limit in limits.items():
            if 0 <= limit < used.get(resource, 0):
                raise BadRequest(
                    reason=f"Quota limit {limit} for {resource} must be greater than or equal to already used {used[resource]}."
                )
        async with self.db.write() as tx:
            await self.store.forget(tx, project_id, *limits)
            rows = [Quota(id=str(uuid.uuid4()), project_id=project_id, resource=name, limit=limit) for name, limit in limits.items()]
            await self.store.insert_all(tx, rows)
            return await self.limits(tx, project_id)

    async def reset(self, project_id: str) -> None:
        """Back to the defaults."""
        async with self.db.write() as tx:
            await self.store.forget(tx, project_id)

    async def check_servers(self, tx: Transaction, project_id: str, *, instances: int, cores: int, ram: int) -> None:
        """QuotaExceeded when so much more does not fit. Negative and zero demands always fit. Whoever asks holds the project's lock."""
        await hold(tx, f"compute.quota/{project_id}")
        limits = await self.limits(tx, project_id)
        used = await self.servers.usage(tx, project_id)
        for resource, requested, in_use in (
            ("instances", instances, used.instances),
            ("cores", cores, used.cores),
            ("ram", ram, used.ram),
        ):
            limit = limits[resource]
            if requested > 0 and limit >= 0 and in_use + requested > limit:
                raise QuotaExceeded(resource=resource, requested=requested, used=in_use, limit=limit)

    async def check_keypairs(self, tx: Transaction, project_id: str, user_id: str) -> None:
        """QuotaExceeded when one more does not fit; they are counted by user, by the limit of the project."""
        await hold(tx, f"compute.keypairs/{user_id}")
        used = await self.keypairs.count(tx, keypair_table.c.user_id == user_id)
        await self._check_one_more(tx, project_id, "key_pairs", used)

    async def check_server_groups(self, tx: Transaction, project_id: str) -> None:
        """QuotaExceeded when one more does not fit."""
        await hold(tx, f"compute.quota/{project_id}")
        used = await self.groups.count(tx, server_group_table.c.project_id == project_id)
        await self._check_one_more(tx, project_id, "server_groups", used)

    async def _check_one_more(self, tx: Transaction, project_id: str, resource: str, used: int) -> None:
        limit = (await self.limits(tx, project_id))[resource]
        if 0 <= limit <= used:
            raise QuotaExceeded(resource=resource, requested=1, used=used, limit=limit)
