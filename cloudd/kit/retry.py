"""Work that is done again when the database gave it up: a deadlock, a failed certification, a lost connection, a node not ready.

The kit wraps every request, every step of a saga, every reconciler and every message for the control plane in ``retried``; a
use case needs nothing. Work is only done again while none of its transactions has committed, or where it is idempotent.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

log = logging.getLogger(__name__)

T = TypeVar("T")

#: 1205 lock wait, 1213 deadlock or failed certification, 1020 changed since last read
DEADLOCK = frozenset({1020, 1205, 1213})
#: 1040 too many connections, 1047 node not prepared, 1053 shutting down, 1290 read only, 1927 killed, 2002 and 2003 cannot connect,
#: 2006, 2013, 2014 and 2055 lost in the middle, 1158 to 1161 network errors
UNAVAILABLE = frozenset({1040, 1047, 1053, 1158, 1159, 1160, 1161, 1290, 1927, 2002, 2003, 2006, 2013, 2014, 2055})
#: what a server says before it has done anything of the statement, COMMIT included
REFUSED = DEADLOCK | {1040, 1047, 1053, 1290}

#: so often, and so long, is work done again that met other transactions
CONFLICT_ATTEMPTS, CONFLICT_SECONDS = 12, 5
#: so long is a database waited for that is away: a failover takes some seconds
UNAVAILABLE_SECONDS = 10


class _Attempt:
    """One attempt of some work: how many of its transactions have committed, or may have."""

    def __init__(self) -> None:
        self.commits = 0


_attempt: ContextVar[_Attempt | None] = ContextVar("attempt", default=None)


async def retried(work: Callable[[], Awaitable[T]], *, idempotent: bool = False, when: Callable[[DBAPIError], bool] | None = None) -> T:
    """Do ``work``, and again when its transaction was lost before anything of it had committed; ``idempotent`` work even after.

    ``when`` narrows the errors that count.

    A duplicate key that the work did not expect counts too: done again it finds the row that was made meanwhile. Raises the last
    DBAPIError when it does not pass.
    """
    outer, started = _attempt.get(), time.monotonic()
    for number in itertools.count(1):
        attempt = _Attempt()
        token = _attempt.set(attempt)
        try:
            return await work()
        except DBAPIError as error:
            wait = _wait_seconds(error, number, time.monotonic() - started)
            if wait is None or (attempt.commits and not idempotent) or (when and not when(error)):
                raise
            log.info("attempt %d: %s; again in %.2f s", number, error.orig, wait)
        finally:
            _attempt.reset(token)
            if outer is not None:
                outer.commits += attempt.commits
        await asyncio.sleep(wait)
    raise AssertionError("unreachable")


@contextmanager
def committing() -> Iterator[None]:
    """Around a COMMIT of changes: from here on the work may have happened, unless the database says for certain that it has not."""
    attempt = _attempt.get() or _Attempt()
    attempt.commits += 1
    try:
        yield
    except DBAPIError as error:
        if _code(error) in REFUSED or _is_busy(error):
            attempt.commits -= 1
        raise


def is_deadlock(error: DBAPIError) -> bool:
    """Whether two transactions stood in each other's way: the same again may succeed (SQLite says busy)."""
    return _code(error) in DEADLOCK or _is_busy(error)


def is_duplicate(error: DBAPIError) -> bool:
    """Whether the database refused a row because a unique key is taken."""
    return _code(error) == 1062 or "UNIQUE constraint failed" in str(error.orig)


def is_refused_value(error: DBAPIError) -> bool:
    """Whether a value was at fault: too long, out of range, no text, a bad regular expression (1139, 1264, 1366, 1406)."""
    return _code(error) in (1139, 1264, 1366, 1406)


def is_unavailable(error: DBAPIError) -> bool:
    """Whether there was no database to speak to: nothing about the work was wrong."""
    return error.connection_invalidated or _code(error) in UNAVAILABLE


def _wait_seconds(error: DBAPIError, number: int, passed_seconds: float) -> float | None:
    """How long to wait before the next attempt; None when there is to be none."""
    if is_unavailable(error):
        return random.uniform(0.1, 0.4) if passed_seconds < UNAVAILABLE_SECONDS else None  # noqa: S311  (not a secret)
    if is_deadlock(error) or is_duplicate(error):
        may = number < CONFLICT_ATTEMPTS and passed_seconds < CONFLICT_SECONDS
        return random.uniform(0, min(0.005 * 2**number, 0.3)) if may else None  # noqa: S311
    return None


def _code(error: DBAPIError) -> int:
    """The server's or the client library's error number; 0 where there is none."""
    found = re.match(r"\((\d+),", str(error.orig))
    return int(found[1]) if found else 0


def _is_busy(error: DBAPIError) -> bool:
    return "database is locked" in str(error.orig)
