"""An agent speaks for its own host, and for no other."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import pytest

from cloudd.kit.bus.message import Message, answer_with, by_name, encode, sender


class Report(Message, kw_only=True):
    name: ClassVar[str] = "test.report"
    host: str


async def handled(account: str, host: str) -> bool:
    """Whether the report of a host that comes from an account reaches its handler."""
    seen: list[str] = []

    async def take(report: Report) -> None:
        seen.append(report.host)

    token = sender.set(account)
    try:
        answer = msgspec.json.decode(await answer_with(encode(Report(host=host)), by_name({Report: take}), "test.control"))
    finally:
        sender.reset(token)
    assert bool(seen) is ("error" not in answer)
    return bool(seen)


@pytest.mark.parametrize(
    ("account", "host", "passes"),
    [("agent-cmp1", "cmp1", True), ("agent-cmp1", "cmp2", False), ("control", "cmp2", True), ("", "cmp1", True)],
)
async def test_who_may_speak_for_whom(account: str, host: str, passes: bool) -> None:
    assert await handled(account, host) is passes
