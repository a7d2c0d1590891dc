"""Closed-loop load: so many callers, each sending its next request when the last one is answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any


def percentile_ms(durations: list[float], percent: float) -> float | None:
    """The nearest-rank percentile of durations in seconds, in milliseconds."""
    ordered = sorted(durations)
    return round(ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))] * 1000, 2) if ordered else None


async def load(
    call: Callable[[int], Awaitable[bool]], callers: int, seconds: float | None = None, count: int | None = None
) -> dict[str, Any]:
    """Call for so many seconds, or so many times in all; returns counts, rate and percentiles. An exception counts as an error."""
    durations: list[float] = []
    errors: list[str] = []
    started = time.perf_counter()
    end = started + seconds if seconds else float("inf")
    next_number = iter(range(count if count is not None else 10**9))

    async def caller() -> None:
        while time.perf_counter() < end:
            number = next(next_number, None)
            if number is None:
                return
            begun = time.perf_counter()
            try:
                if not await call(number):
                    errors.append("an answer that was not expected")
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}")
            durations.append(time.perf_counter() - begun)

    await asyncio.gather(*(caller() for _ in range(callers)))
    elapsed = time.perf_counter() - started
    measured: dict[str, Any] = {
        "calls": len(durations),
        "errors": len(errors),
        "per_second": round((len(durations) - len(errors)) / elapsed, 2),
        "p50_ms": percentile_ms(durations, 50),
        "p99_ms": percentile_ms(durations, 99),
        "seconds": round(elapsed, 2),
    }
    return {**measured, "first_error": errors[0][:300]} if errors else measured
