"""Messages and handlers that the bus's tests exchange."""

from __future__ import annotations

import asyncio

from cloudd.kit.bus import Message
from cloudd.kit.errors import NotFound

TOPIC = "test.agent.host1"
CONTROL = "test.control"


class Ask(Message):
    name = "test.ask"
    reply = dict[str, int]
    number: int


class Told(Message):
    name = "test.told"
    text: str


class Wait(Message):
    name = "test.wait"
    reply = str
    key: str
    seconds: float


async def answer(message: Ask) -> dict[str, int]:
    """Half of it; 0 and negative numbers fail, an expected and an unexpected way."""
    if message.number < 0:
        raise NotFound(what=f"Number {message.number}")
    if message.number == 0:
        return {"half": 1 // message.number}
    await asyncio.sleep(0.2 if message.number > 9 else 0)
    return {"half": message.number // 2}
