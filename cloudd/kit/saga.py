"""Sagas: long work in steps, each saved before the next, each with its undo; a killed process costs time, never state.

A saga's row is inserted in the same transaction as the change that asks for it. Any worker claims it with a lease,
runs the steps from where they stand and saves each result. When a step fails for good, the done steps are undone in
reverse and ``failed`` says so on the resource. Each step and each undo may run twice: they are written to be idempotent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from cloudd.kit import log as kit_log
from cloudd.kit.auth import Context, system_context
from cloudd.kit.clock import now
from cloudd.kit.db import Database, Id, Json, Moment, Transaction, metadata
from cloudd.kit.errors import Condition
from cloudd.kit.lease import Leases
from cloudd.kit.retry import is_deadlock, is_unavailable, retried
from cloudd.kit.store import Store

log = logging.getLogger(__name__)

PENDING, UNDOING, DONE, FAILED, STUCK = "pending", "undoing", "done", "failed", "stuck"
ACTIVE_STATES = (PENDING, UNDOING)

#: How often a worker looks for sagas that nobody holds.
SWEEP_SECONDS = 2.0
#: How often those that ended a week ago are forgotten.
PURGE_SECONDS = 300.0
#: Waits before the retries of a step whose error says that it may pass.
RETRY_SECONDS = (0.5, 2, 5, 10, 20)
UNDO_ATTEMPTS = 8

saga_table = sa.Table(
    "kit_saga",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("resource_id", Id(), nullable=False, index=True),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("params", Json(), nullable=False),
    sa.Column("results", Json(), nullable=False),
    sa.Column("error", Json()),
    sa.Column("owner", sa.String(128)),
    sa.Column("lease_until", Moment()),
    sa.Column("created_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
)


class SagaRow(msgspec.Struct):
    id: str
    kind: str
    resource_id: str
    request_id: str
    state: str
    step: int
    attempts: int
    params: Any
    results: dict[str, Any]
    error: dict[str, Any] | None
    owner: str | None
    lease_until: datetime | None
    created_at: datetime
    updated_at: datetime


class Run:
    """One saga under way, as its steps see it: typed ``params`` and the saved ``results`` by step name."""

    def __init__(self, row: SagaRow, params: Any) -> None:
        self.id = row.id
        self.resource_id = row.resource_id
        self.request_id = row.request_id
        self.params = params
        self.results = row.results

    @property
    def ctx(self) -> Context:
        """The cloud's context, for other services' clients."""
        return system_context(self.request_id, getattr(self.params, "project_id", None), getattr(self.params, "user_id", None))


class Saga:
    """Base of all sagas. ``steps`` names coroutine methods ``(run) -> JSON result``; ``undo_<step>`` stands beside each.

    A step that needs no undo is listed in ``harmless``.
    """

    kind: ClassVar[str]
    params: ClassVar[type[msgspec.Struct]]
    steps: ClassVar[tuple[str, ...]]
    harmless: ClassVar[frozenset[str]] = frozenset()

    async def failed(self, run: Run, error: Condition) -> None:
        """After all undos: leave the resource in a state that its user can read. May run twice."""


class SagaFailed(Condition):
    """Stands for an error that was saved before its undos ran."""

    code = "kit.saga_failed"
    message = "{reason}"


class SagaEngine:
    """Starts sagas and, in a worker, runs them."""

    def __init__(self, db: Database, concurrency: int = 64) -> None:
        self.db = db
        self.store: Store[SagaRow] = Store(saga_table, SagaRow)
        self.sagas: dict[str, Saga] = {}
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        #: tells other processes' workers of a new saga; set by the bus's owner
        self.nudge_others: Callable[[str], None] | None = None
        #: called before and after each step with a point's name: the survival tests kill here
        self.probe: Callable[[str], None] = lambda point: None
        self._slots = asyncio.Semaphore(concurrency)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leases = Leases(db, saga_table, self.owner, self._lost)
        self._running = False
        self._stopping = False
        self._alone = False
        self._purged = 0.0
        self._sweeper: asyncio.Task[None] | None = None

    def register(self, *sagas: Saga) -> None:
        self.sagas.update({saga.kind: saga for saga in sagas})

    async def start(self, tx: Transaction, kind: str, params: msgspec.Struct, *, resource_id: str, request_id: str) -> str:
        """Insert a saga within the caller's transaction; it runs once that has committed. Returns its id."""
        saga = self.sagas[kind]
        if not isinstance(params, saga.params):
            raise TypeError(f"{kind} takes {saga.params.__name__}, not {type(params).__name__}")
        moment = now()
        row = SagaRow(
            id=str(uuid.uuid4()), kind=kind, resource_id=resource_id, request_id=request_id, state=PENDING, step=0, attempts=0,
            params=msgspec.to_builtins(params), results={}, error=None, owner=None, lease_until=None, created_at=moment, updated_at=moment,
        )  # fmt: skip
        await self.store.insert(tx, row)
        tx.after_commit(lambda: self.nudge(row.id))
        return row.id

    def nudge(self, saga_id: str) -> None:
        """Run this saga soon, here or elsewhere."""
        if self._running:
            self._launch(saga_id)
        elif self.nudge_others is not None:
            self.nudge_others(saga_id)

    async def run_worker(self, *, alone: bool, sweep_seconds: float = SWEEP_SECONDS) -> None:
        """Become a worker. ``alone``: no other process works on this database, so all leases of the past are void."""
        if alone:
            async with self.db.write() as tx:
                await tx.execute(sa.update(saga_table).values(owner=None, lease_until=None).where(saga_table.c.state.in_(ACTIVE_STATES)))
        self._alone = alone
        self._running = True
        self._leases.start()
        self._sweeper = asyncio.create_task(self._sweep(sweep_seconds))

    async def stop(self, grace_seconds: float = 0) -> None:
        """Take no more work, give what runs so long to come to the end of its step, and let other workers go on with it at once."""
        self._running, self._stopping = False, True
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._tasks and grace_seconds:
            await asyncio.wait(list(self._tasks.values()), timeout=grace_seconds)
        tasks = [*self._tasks.values(), *([self._sweeper] if self._sweeper else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._leases.stop(release=not self._alone and self._sweeper is not None)

    async def idle(self, timeout_seconds: float = 30) -> None:
        """Wait until no saga is left to run (for tests)."""
        async with asyncio.timeout(timeout_seconds):
            while True:
                async with self.db.read() as tx:
                    if not await self.store.count(tx, saga_table.c.state.in_(ACTIVE_STATES)):
                        return
                await asyncio.sleep(0.02)

    async def active_for(self, tx: Transaction, resource_id: str) -> list[SagaRow]:
        """The sagas that still work on a resource."""
        return await self.store.find(tx, saga_table.c.resource_id == resource_id, saga_table.c.state.in_(ACTIVE_STATES))

    async def _sweep(self, seconds: float) -> None:
        while self._running:
            try:
                await self.sweep()
            except Exception:
                log.exception("the sweep for sagas failed; it goes on")
            await asyncio.sleep(seconds)

    async def sweep(self) -> None:
        """Launch every saga that nobody holds, and forget finished ones after a week."""
        async with self.db.read() as tx:
            waiting = saga_table.c.state.in_(ACTIVE_STATES), self._leases.free()
            rows = await tx.rows(sa.select(saga_table.c.id).where(*waiting).order_by(saga_table.c.created_at).limit(500))
        for row in rows:
            self._launch(row["id"])
        if time.monotonic() - self._purged < PURGE_SECONDS:
            return
        self._purged = time.monotonic()
        async with self.db.write() as tx:
            await self.store.delete_where(tx, saga_table.c.state.in_((DONE, FAILED)), saga_table.c.updated_at < now() - timedelta(days=7))

    def _launch(self, saga_id: str) -> None:
        if saga_id in self._tasks:
            return
        task = asyncio.create_task(self._claim_and_run(saga_id))
        self._tasks[saga_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(saga_id, None))

    async def _claim_and_run(self, saga_id: str) -> None:
        async with self._slots:
            row = await retried(partial(self._claim, saga_id), idempotent=True)
            if row is None:
                return
            kit_log.request_id.set(row.request_id)
            try:
                await self._advance(row)
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("saga %s %s stopped unexpectedly; its lease lets it go on later", row.kind, row.id)
            finally:
                self._leases.dropped(saga_id)

    async def _claim(self, saga_id: str) -> SagaRow | None:
        began = time.monotonic()
        async with self.db.write() as tx:
            # Ours already: the answer to this same claim was lost.
            free = sa.or_(self._leases.free(), saga_table.c.owner == self.owner)
            values = {"owner": self.owner, "lease_until": self._leases.until()}
            if not await self.store.update(tx, saga_id, saga_table.c.state.in_(ACTIVE_STATES), free, **values):
                return None
            row = await self.store.get(tx, saga_id)
        self._leases.took(saga_id, began)
        return row

    def _lost(self, saga_id: str) -> None:
        """Another worker may take it any moment."""
        task = self._tasks.get(saga_id)
        if task is not None:
            task.cancel()

    async def _save(self, row: SagaRow, **values: Any) -> None:
        """Save progress, only while the lease is ours: another worker may have taken over from a stalled one."""
        if not await retried(partial(self._change, row.id, updated_at=now(), **values), idempotent=True):
            raise RuntimeError(f"saga {row.id} was taken over")
        for key, value in values.items():
            setattr(row, key, value)

    async def _change(self, saga_id: str, **values: Any) -> bool:
        async with self.db.write() as tx:
            return await self.store.update(tx, saga_id, saga_table.c.owner == self.owner, **values)

    async def _advance(self, row: SagaRow) -> None:
        saga = self.sagas[row.kind]
        run = Run(row, msgspec.convert(row.params, saga.params))
        while row.state == PENDING and row.step < len(saga.steps):
            if self._stopping:
                return
            name = saga.steps[row.step]
            log.debug("%s %s: %s begins", row.kind, row.id, name)
            try:
                self.probe(f"{row.kind}.{name}.before")
                result = await self._attempt(row, getattr(saga, name), run)
                self.probe(f"{row.kind}.{name}.done")
            except Condition as condition:
                log.info("%s %s: %s failed: %s", row.kind, row.id, name, condition.text)
                await self._save(row, state=UNDOING, attempts=0, error=_written(condition))
                break
            run.results = {**row.results, name: msgspec.to_builtins(result)}
            await self._save(row, step=row.step + 1, attempts=0, results=run.results)
            log.debug("%s %s: %s ended", row.kind, row.id, name)
            self.probe(f"{row.kind}.{name}.after")
        if row.state == UNDOING:
            await self._undo(row, saga, run)
        elif row.state == PENDING:
            await self._save(row, state=DONE, lease_until=None)

    async def _attempt(self, row: SagaRow, action: Callable[[Run], Awaitable[Any]], run: Run) -> Any:
        while True:
            try:
                return await retried(partial(action, run), idempotent=True)
            except Condition as condition:
                if not condition.retryable or row.attempts >= len(RETRY_SECONDS):
                    raise
                log.info("%s step %d: %s; again in %g s", row.kind, row.step, condition.text, RETRY_SECONDS[row.attempts])
            except DBAPIError as error:
                if not (is_deadlock(error) or is_unavailable(error)) or row.attempts >= len(RETRY_SECONDS):
                    raise
                log.info("%s step %d: %s; again in %g s", row.kind, row.step, error.orig, RETRY_SECONDS[row.attempts])
            except Exception as error:
                log.exception("%s step %d failed unexpectedly", row.kind, row.step)
                raise SagaFailed(reason=f"Internal error ({type(error).__name__}); the log has it under {row.request_id}.") from error
            wait = RETRY_SECONDS[row.attempts]
            await self._save(row, attempts=row.attempts + 1)
            await asyncio.sleep(wait)

    async def _undo(self, row: SagaRow, saga: Saga, run: Run) -> None:
        error = SagaFailed(reason=(row.error or {}).get("text", "unknown"))
        # The step that failed may have done half of its work: its own undo runs first.
        while row.step >= 0:
            if self._stopping:
                return
            name = saga.steps[row.step] if row.step < len(saga.steps) else None
            undo = getattr(saga, f"undo_{name}", None) if name else None
            if undo is not None and not await self._undo_one(row, undo, run):
                return
            await self._save(row, step=row.step - 1, attempts=0)
        if await self._undo_one(row, lambda r: saga.failed(r, error), run):
            await self._save(row, state=FAILED, lease_until=None)

    async def _undo_one(self, row: SagaRow, undo: Callable[[Run], Awaitable[Any]], run: Run) -> bool:
        while True:
            try:
                self.probe(f"{row.kind}.undo.{row.step}.before")
                await retried(partial(undo, run), idempotent=True)
                self.probe(f"{row.kind}.undo.{row.step}.done")
                return True
            except Exception as error:
                log.warning("%s undo of step %d: %s", row.kind, row.step, error, exc_info=not isinstance(error, Condition))
            if row.attempts + 1 >= UNDO_ATTEMPTS:
                # Never silent: `cloudd status` lists it until an operator resumes it.
                await self._save(row, state=STUCK, lease_until=None)
                return False
            await self._save(row, attempts=row.attempts + 1)
            await asyncio.sleep(min(2**row.attempts * 0.25, 30))


def _written(condition: Condition) -> dict[str, Any]:
    return {"code": condition.code, "text": condition.text, "status": condition.status}
