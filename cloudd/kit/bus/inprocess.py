"""The embedded cloud's bus: everything in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from cloudd.kit.bus.message import Backlog, Handler, Handlers, Message, answer_with, by_name, decode_answer, encode, refusal
from cloudd.kit.errors import Unreachable


class InProcessBus:
    """The embedded cloud's bus."""

    def __init__(self) -> None:
        self._topics: dict[str, dict[str, tuple[type[Message], Handler]]] = {}
        self._events: dict[str, list[tuple[type[Message], Handler]]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Nothing to connect to."""

    def serve(self, topic: str, handlers: Handlers) -> None:
        # One topic may be served by several rooms of the process (a host's compute and network part).
        self._topics.setdefault(topic, {}).update(by_name(handlers))

    def withdraw(self, topic: str) -> None:
        self._topics.pop(topic, None)

    async def call(self, topic: str, message: Message, timeout_seconds: float = 60) -> Any:
        task = self._spawn(self._answer(topic, encode(message)))
        try:
            # Shielded: a caller that gives up does not stop the work, as on a real broker. Not wait_for, which forgets a
            # cancellation that comes with the answer.
            async with asyncio.timeout(timeout_seconds):
                answer = await asyncio.shield(task)
        except TimeoutError:
            raise Unreachable(topic=topic, reason=f"no answer to {message.name} within {timeout_seconds:g} s") from None
        return decode_answer(answer, type(message))

    async def cast(self, topic: str, message: Message) -> None:
        self._spawn(self._answer(topic, encode(message)))

    def subscribe(self, event: type[Message], handler: Handler, *, group: str = "") -> None:
        self._events.setdefault(event.name, []).append((event, handler))

    async def publish(self, event: Message) -> None:
        data = encode(event)
        for kind, handler in self._events.get(event.name, []):
            await answer_with(data, {kind.name: (kind, handler)}, event.name)

    async def backlog(self, topics: Iterable[str]) -> dict[str, Backlog]:
        return {topic: Backlog(0, 1) for topic in topics if topic in self._topics}

    async def close(self) -> None:
        self._topics.clear()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    async def _answer(self, topic: str, data: bytes) -> bytes:
        handlers = self._topics.get(topic)
        if handlers is None:
            return refusal(Unreachable(topic=topic, reason="nobody serves it"))
        return await answer_with(data, handlers, topic)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
