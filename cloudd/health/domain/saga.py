"""Sagas that do not go on by themselves, and workers that are not there."""

from datetime import timedelta

from cloudd.health.errors import SagaNotStuck
from cloudd.health.settings import HealthSettings
from cloudd.kit.clock import iso_z, now
from cloudd.kit.health import Check, Finding
from cloudd.kit.reconcile import ReconcilerRow, reconciler_table
from cloudd.kit.saga import ACTIVE_STATES, STUCK, UNDOING, SagaRow, saga_table
from cloudd.kit.service import Cloud
from cloudd.kit.store import Store


class Sagas:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.settings = cloud.settings.section(HealthSettings)
        self.sagas: Store[SagaRow] = Store(saga_table, SagaRow)
        self.reconcilers: Store[ReconcilerRow] = Store(reconciler_table, ReconcilerRow)

    def checks(self) -> list[Check]:
        return [Check("health.sagas", "sagas", self.look), Check("health.workers", "workers", self.look_for_workers)]

    async def look(self) -> list[Finding]:
        """Sagas whose undo failed, and those that have not moved for long."""
        column = saga_table.c
        async with self.db.read() as tx:
            stuck = await self.sagas.find(tx, column.state == STUCK)
            since = now() - timedelta(seconds=self.settings.slow_saga_seconds)
            slow = await self.sagas.find(tx, column.state.in_(ACTIVE_STATES), column.updated_at < since)
        found = [
            Finding("error", f"{row.kind} {row.resource_id}", f"is stuck at step {row.step}: {_reason(row)}", _remedy(row)) for row in stuck
        ]
        remedy = "see that workers and the resource's host run; it goes on by itself"
        return found + [
            Finding("warning", f"{row.kind} {row.resource_id}", f"has not moved since {iso_z(row.updated_at)}", remedy) for row in slow
        ]

    async def look_for_workers(self) -> list[Finding]:
        """Reconcilers that somebody held and nobody holds now: no worker lives. One that is alone, in this very process, holds none."""
        column = reconciler_table.c.lease_until
        async with self.db.read() as tx:
            leased = await self.reconcilers.count(tx, column.is_not(None))
            held = await self.reconcilers.count(tx, column > now())
        if held or not leased:
            return []
        return [Finding("error", "workers", "no worker holds a reconciler's turn", "start cloudd-worker on the control hosts")]

    async def resume(self, saga_id: str) -> SagaRow:
        """Try a stuck saga's undo once more. SagaNotStuck."""
        async with self.db.write() as tx:
            values = {"state": UNDOING, "attempts": 0, "owner": None, "lease_until": None, "updated_at": now()}
            if not await self.sagas.update(tx, saga_id, saga_table.c.state == STUCK, **values):
                raise SagaNotStuck(saga_id=saga_id)
            tx.after_commit(lambda: self.cloud.sagas.nudge(saga_id))
            row = await self.sagas.get(tx, saga_id)
        assert row is not None
        return row


def _reason(row: SagaRow) -> str:
    return str((row.error or {}).get("text", "the log of the worker tells why"))


def _remedy(row: SagaRow) -> str:
    return f"mend the cause, then: POST /health/sagas/{row.id}/resume"
