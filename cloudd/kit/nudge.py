"""Tells the workers of other processes at once that a saga waits; one that is missed is found by the sweep."""

from __future__ import annotations

import asyncio
import logging

from cloudd.kit.bus import Bus, Message
from cloudd.kit.errors import Condition
from cloudd.kit.saga import SagaEngine

log = logging.getLogger(__name__)

#: Answered by every worker, so its consumers are the workers that live.
TOPIC = "worker.control"


class RunSaga(Message, kw_only=True):
    """To TOPIC: this saga has been committed."""

    name = "worker.run_saga"
    saga_id: str


class Nudges:
    """Between a process's saga engine and the bus."""

    def __init__(self, bus: Bus, sagas: SagaEngine) -> None:
        self._bus = bus
        self._sagas = sagas
        self._tasks: set[asyncio.Task[None]] = set()
        sagas.nudge_others = self._send

    def serve(self) -> None:
        """This process is a worker."""
        self._bus.serve(TOPIC, {RunSaga: self._run})

    def withdraw(self) -> None:
        """It is no more."""
        self._bus.withdraw(TOPIC)

    async def _run(self, message: RunSaga) -> None:
        self._sagas.nudge(message.saga_id)

    def _send(self, saga_id: str) -> None:
        task = asyncio.create_task(self._cast(saga_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _cast(self, saga_id: str) -> None:
        try:
            await self._bus.cast(TOPIC, RunSaga(saga_id=saga_id))
        except Condition as error:
            log.info("no worker was told of saga %s: %s", saga_id, error.text)
