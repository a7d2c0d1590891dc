"""`cloudd status`: what works, what waits and what is stuck, from the database."""

from __future__ import annotations

import json
import sys

import sqlalchemy as sa

from cloudd.kit.clock import iso_z
from cloudd.kit.db import Database
from cloudd.kit.saga import ACTIVE_STATES, STUCK, SagaRow, saga_table
from cloudd.kit.settings import DatabaseSettings, Settings
from cloudd.kit.store import Store


async def report(settings: Settings, *, as_json: bool) -> int:
    """Print the sagas under way and those whose undo failed. Status 1 when any is stuck."""
    db = Database.of(settings.section(DatabaseSettings))
    store: Store[SagaRow] = Store(saga_table, SagaRow)
    async with db.read() as tx:
        rows = await store.find(tx, saga_table.c.state.in_((*ACTIVE_STATES, STUCK)), order=saga_table.c.created_at)
        done = await tx.scalar(sa.select(sa.func.count()).select_from(saga_table).where(saga_table.c.state == "done"))
    await db.close()
    shown = [
        {
            "saga": r.id,
            "kind": r.kind,
            "resource": r.resource_id,
            "state": r.state,
            "step": r.step,
            "since": iso_z(r.updated_at),
            "error": r.error,
        }
        for r in rows
    ]
    if as_json:
        sys.stdout.write(json.dumps({"sagas": shown, "done": done}) + "\n")
    else:
        for entry in shown:
            sys.stdout.write("{state:8} {kind:28} {resource}  step {step}  since {since}  {error}\n".format(**entry))
        sys.stdout.write(f"{len(shown)} sagas open, {sum(r.state == STUCK for r in rows)} stuck, {done} done lately\n")
    return 1 if any(r.state == STUCK for r in rows) else 0
