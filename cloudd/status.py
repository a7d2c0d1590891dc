"""`cloudd status`: what works, what waits and what is stuck, from the database and the bus."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from cloudd import assembly
from cloudd.compute.store.host import host_table as compute_host_table
from cloudd.image.store.host import host_table as image_host_table
from cloudd.kit.bus import Backlog
from cloudd.kit.clock import iso_z, now
from cloudd.kit.db import Database, Transaction
from cloudd.kit.errors import Condition
from cloudd.kit.nudge import TOPIC as WORKER_TOPIC
from cloudd.kit.reconcile import reconciler_table
from cloudd.kit.saga import ACTIVE_STATES, STUCK, saga_table
from cloudd.kit.settings import BusSettings, DatabaseSettings, Settings
from cloudd.volume.store.host import host_table as volume_host_table

#: An agent that said nothing for so long is taken for dead here.
SILENT_SECONDS = 60
BUS_SECONDS = 5

#: Where each part's agents are noted: name of the host, and when it was last heard of.
HEARTBEATS = {
    "compute": (compute_host_table.c.name, compute_host_table.c.seen_at),
    "image": (image_host_table.c.id, image_host_table.c.updated_at),
    "volume": (volume_host_table.c.id, volume_host_table.c.updated_at),
}
SAGA_FIELDS = ("id", "kind", "resource_id", "state", "step", "owner", "updated_at", "error")


async def report(settings: Settings, *, as_json: bool) -> int:
    """Print agents, workers, queues and open sagas. Status 1 when a saga is stuck, an agent silent, or no worker lives."""
    db = Database.of(settings.section(DatabaseSettings))
    async with db.read() as tx:
        agents = await _agents(tx)
        sagas = await _sagas(tx)
        workers = await _workers(tx)
        done = await tx.scalar(sa.select(sa.func.count()).select_from(saga_table).where(saga_table.c.state == "done"))
    await db.close()
    queues = await _queues(settings, agents)
    found: dict[str, Any] = {"agents": agents, "workers": workers, "queues": queues, "sagas": sagas, "done": done}
    sys.stdout.write(json.dumps(found) + "\n" if as_json else _table(found))
    problems = [saga for saga in sagas if saga["state"] == STUCK] + [agent for agent in agents if not agent["alive"]]
    # The embedded cloud's one process needs no leases, so it is not seen here.
    is_headless = isinstance(queues, dict) and not workers
    return 1 if problems or is_headless else 0


async def _agents(tx: Transaction) -> list[dict[str, Any]]:
    found = []
    for part, (host, seen_at) in HEARTBEATS.items():
        for row in await tx.rows(sa.select(host.label("host"), seen_at.label("seen_at")).order_by(host)):
            alive = now() - row["seen_at"] < timedelta(seconds=SILENT_SECONDS)
            found.append({"part": part, "host": row["host"], "heartbeat": iso_z(row["seen_at"]), "alive": alive})
    return found


async def _sagas(tx: Transaction) -> list[dict[str, Any]]:
    open_ones = sa.select(saga_table).where(saga_table.c.state.in_((*ACTIVE_STATES, STUCK))).order_by(saga_table.c.created_at)
    rows = [{name: row[name] for name in SAGA_FIELDS} for row in await tx.rows(open_ones)]
    return [{**row, "updated_at": iso_z(row["updated_at"])} for row in rows]


async def _workers(tx: Transaction) -> list[str]:
    """Those that hold work now; on the bus stands how many there are."""
    names: set[str] = set()
    for table in (saga_table, reconciler_table):
        held = sa.select(table.c.owner).where(table.c.owner.is_not(None), table.c.lease_until > now()).distinct()
        names |= {row["owner"] for row in await tx.rows(held)}
    return sorted(names)


async def _queues(settings: Settings, agents: list[dict[str, Any]]) -> dict[str, dict[str, Any]] | str:
    """By topic; in words where there is nothing to see."""
    if settings.section(BusSettings).url.startswith("inprocess:"):
        return "in-process"
    topics = [f"{name}.control" for name in assembly.SERVICES] + [WORKER_TOPIC]
    topics += [f"{part}.agent.{host}" for host in sorted({agent["host"] for agent in agents}) for part in assembly.AGENTS]
    bus = assembly.make_bus(settings)
    try:
        async with asyncio.timeout(BUS_SECONDS):
            backlogs: dict[str, Backlog] = await bus.backlog(topics)
    except (TimeoutError, Condition) as error:
        return f"the bus does not answer: {error or 'no answer in time'}"
    finally:
        await bus.close()
    return {topic: {"waiting": backlog.waiting, "servers": backlog.servers} for topic, backlog in backlogs.items()}


def _table(found: dict[str, Any]) -> str:
    lines = ["{part:8} {host:24} {heartbeat}  {0}".format("" if agent["alive"] else "SILENT", **agent) for agent in found["agents"]]
    lines += [f"worker   {name}" for name in found["workers"]] or ["worker   none holds work"]
    if isinstance(found["queues"], dict):
        lines += [
            f"queue    {topic:32} {entry['waiting']:6} waiting, {entry['servers']} serving" for topic, entry in found["queues"].items()
        ]
    else:
        lines.append(f"bus      {found['queues']}")
    lines += [
        "saga     {state:8} {kind:28} {resource_id}  step {step}  since {updated_at}  {error}".format(**saga) for saga in found["sagas"]
    ]
    stuck = sum(saga["state"] == STUCK for saga in found["sagas"])
    lines.append(f"{len(found['sagas'])} sagas open, {stuck} stuck, {found['done']} done lately")
    return "\n".join(lines) + "\n"
