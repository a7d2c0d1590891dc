"""What a host has but may not run: servers that were moved away or deleted. No server runs twice."""

import logging
from collections.abc import Iterable

from cloudd.compute.messages import Removal
from cloudd.compute.store.migration import EVACUATION, FINISHED, MigrationStore
from cloudd.compute.store.server import ServerStore
from cloudd.kit.db import Transaction
from cloudd.kit.service import Cloud

log = logging.getLogger(__name__)


class Leftovers:
    def __init__(self, cloud: Cloud) -> None:
        self.db = cloud.db
        self.servers = ServerStore()
        self.migrations = MigrationStore()

    async def on(self, host: str, server_ids: Iterable[str]) -> list[Removal]:
        """Which of these the host must remove, and whether it keeps the disks."""
        async with self.db.read() as tx:
            found = [await self._judge(tx, host, server_id) for server_id in server_ids]
        return [removal for removal in found if removal is not None]

    async def _judge(self, tx: Transaction, host: str, server_id: str) -> Removal | None:
        server = await self.servers.get(tx, server_id)
        if server is None:
            # No row of any age: this database never made it. It may be another cloud's, or newer than a restored backup.
            log.warning("host %s has server %s, which this cloud does not know; remove it by hand if it is a leftover", host, server_id)
            return None
        if server.deleted_at is not None:
            log.warning("host %s still has the deleted server %s; it is removed", host, server_id)
            return Removal(server_id=server_id)
        migration = await self.migrations.under_way(tx, server_id)
        if migration is not None and migration.kind == EVACUATION and migration.source_host == host:
            # It is being built elsewhere at this moment. Should that fail, its disks are needed here again.
            log.warning("server %s is being evacuated from host %s, which is back; it may not run there", server_id, host)
            return Removal(server_id=server_id, keep_disks=True)
        if server.host in (None, host):
            return None
        if migration is not None and host in (migration.source_host, migration.destination_host):
            is_kept = migration.status == FINISHED and migration.source_host == host
            return Removal(server_id=server_id, keep_disks=True) if is_kept else None
        log.warning("server %s has moved from host %s to %s; what is left of it is removed", server_id, host, server.host)
        return Removal(server_id=server_id)

    async def complete_evacuations(self, host: str, server_ids: Iterable[str]) -> None:
        """A host that is back and has these servers only has cleaned up after the others that were taken from it."""
        present = set(server_ids)
        async with self.db.write() as tx:
            for migration in await self.migrations.away_from(tx, host, EVACUATION, "done"):
                if migration.server_id not in present:
                    await self.migrations.update(tx, migration.id, status="completed")
