"""`cloudd forget HOST`: the cloud's records of a host that has left go, unless servers or volumes are still on it."""

from __future__ import annotations

import json
import sys

import sqlalchemy as sa

from cloudd.assembly import Process
from cloudd.compute.store.host import HostStore as ComputeHostStore
from cloudd.compute.store.server import ServerStore
from cloudd.image.store.host import host_table as image_host_table
from cloudd.image.store.location import location_table
from cloudd.kit.db import Database
from cloudd.kit.settings import DatabaseSettings, Settings
from cloudd.network.store.agent import agent_table
from cloudd.placement.client import PlacementClient
from cloudd.volume.store.host import host_table as volume_host_table
from cloudd.volume.store.volume import volume_table

#: What is noted of a host, by the column that holds its name; compute's goes with its resource provider.
RECORDS = (image_host_table.c.id, location_table.c.host, volume_host_table.c.id, agent_table.c.id)


async def holds(db: Database, name: str) -> list[str]:
    """What is still on the host, in words; empty when it may go."""
    async with db.read() as tx:
        servers = (await ServerStore().counts_by_host(tx)).get(name)
        volumes = await tx.scalar(sa.select(sa.func.count()).select_from(volume_table).where(volume_table.c.host == name))
    found = [f"{servers[0]} servers"] if servers else []
    return [*found, f"{volumes} volumes"] if volumes else found


async def forget(process: Process, name: str) -> bool:
    """Remove every record of the host. True when there was one. Its agents must be stopped: a further heartbeat brings it back."""
    db = process.cloud.db
    async with db.read() as tx:
        host = await ComputeHostStore().by_name(tx, name)
    if host is not None:
        await process.cloud.client(PlacementClient).delete_provider(host.id)
    async with db.write() as tx:
        removed = 0 if host is None else await ComputeHostStore().delete(tx, host.id)
        for column in RECORDS:
            removed += (await tx.execute(sa.delete(column.table).where(column == name))).rowcount
    return bool(removed)


async def depart(settings: Settings, name: str, *, only_ask: bool) -> int:
    """Forget the host, or only say what is on it. Status 1 when something is."""
    db = Database.of(settings.section(DatabaseSettings))
    try:
        held = await holds(db, name)
    finally:
        await db.close()
    changed = False
    if not held and not only_ask:
        process = Process(settings)
        try:
            changed = await forget(process, name)
        finally:
            await process.cloud.db.close()
    sys.stdout.write(json.dumps({"holds": held, "changed": changed}) + "\n")
    return 1 if held else 0
