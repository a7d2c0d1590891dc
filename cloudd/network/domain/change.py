"""Marks what the engine must be told, in the transaction of the change, and nudges a worker after it."""

import asyncio

from cloudd.kit.bus import Bus
from cloudd.kit.db import Transaction
from cloudd.network.drivers.base import Kind
from cloudd.network.messages import CONTROL, ApplyChanges, RefreshHost, agent_topic
from cloudd.network.store.change import ChangeStore


class Changes:
    def __init__(self, bus: Bus, store: ChangeStore) -> None:
        self._bus = bus
        self._store = store
        self._nudges: set[asyncio.Task[None]] = set()

    async def mark(self, tx: Transaction, kind: Kind, *object_ids: str) -> None:
        """These were changed or removed."""
        await self._store.mark(tx, kind, *object_ids)
        if self._nudge not in tx.hooks:
            tx.after_commit(self._nudge)

    def refresh_host(self, tx: Transaction, host: str) -> None:
        """The host may have to serve another set of networks."""
        if host:
            tx.after_commit(lambda: self._cast(agent_topic(host), RefreshHost()))

    def _nudge(self) -> None:
        self._cast(CONTROL, ApplyChanges())

    def _cast(self, topic: str, message: ApplyChanges | RefreshHost) -> None:
        # A lost nudge costs time only: a reconciler looks for changes too.
        task = asyncio.create_task(self._bus.cast(topic, message))
        self._nudges.add(task)
        task.add_done_callback(self._nudges.discard)
