"""Health: what an operator should know, each service's part told by its own checks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import msgspec

from cloudd.kit.errors import Condition

log = logging.getLogger(__name__)

#: A warning can wait until morning; an error is felt by users, or soon will be.
Level = Literal["warning", "error"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it should be: what and where, and what to do about it."""

    level: Level
    subject: str
    text: str
    remedy: str


class Check(msgspec.Struct, frozen=True):
    """``run`` looks and changes nothing; an empty answer is a healthy one. Names are ``<service>.<what>``."""

    name: str
    title: str
    run: Callable[[], Awaitable[list[Finding]]]


class Outcome(msgspec.Struct, frozen=True):
    """What one check found; one that could not look is itself a finding."""

    name: str
    title: str
    findings: list[Finding]


async def outcomes(checks: Sequence[Check], timeout_seconds: float) -> list[Outcome]:
    """Run all checks side by side, each within its time."""
    return list(await asyncio.gather(*(_outcome(check, timeout_seconds) for check in checks)))


async def _outcome(check: Check, timeout_seconds: float) -> Outcome:
    try:
        async with asyncio.timeout(timeout_seconds):
            findings = await check.run()
    except TimeoutError:
        findings = [_blind(f"no answer within {timeout_seconds:g} s")]
    except Condition as condition:
        findings = [_blind(condition.text)]
    except Exception as error:
        log.exception("check %s failed", check.name)
        findings = [_blind(f"{type(error).__name__}; the API's log has it")]
    return Outcome(check.name, check.title, findings)


def _blind(reason: str) -> Finding:
    return Finding("error", "the check itself", f"could not look: {reason}", "see to what it needs (database, bus, hosts) and check again")
