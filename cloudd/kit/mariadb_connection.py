"""Connections to MariaDB that give up a silent server soon: a proxy in front of a dead node accepts, and then nobody speaks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any, TypeVar

import asyncmy
from asyncmy.errors import OperationalError

T = TypeVar("T")

#: Opening and greeting; a check of a pooled connection before it is used. Both together stay below three seconds.
CONNECT_SECONDS = 1.5
PING_SECONDS = 1.0


async def connect(*args: Any, **options: Any) -> Any:
    """A driver connection. OperationalError 2003 when nobody answers in time."""
    connection: Any = await _within(CONNECT_SECONDS, asyncmy.connect(*args, **options), 2003, "Can't connect to MySQL server")
    # The pool asks before each use whether the connection is alive.
    connection.ping = partial(_ping, connection.ping)
    return connection


async def _ping(ping: Any, reconnect: bool = False) -> None:
    await _within(PING_SECONDS, ping(reconnect=reconnect), 2013, "Lost connection to MySQL server")


async def _within(seconds: float, work: Awaitable[T], code: int, text: str) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise OperationalError(code, f"{text} (no answer within {seconds:g} s)") from None
    except (OSError, RuntimeError) as error:
        # The driver's words for a proxy that hangs up at once.
        raise OperationalError(code, f"{text} ({error})") from error
