"""A unit that is started again and again does not count as running."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

SHOWN = """Id=a.service
ActiveState=active
ActiveEnterTimestampMonotonic=90000000

Id=b.service
ActiveState=active
ActiveEnterTimestampMonotonic=99000000

Id=c.service
ActiveState=activating
ActiveEnterTimestampMonotonic=50000000
"""


def test_only_units_that_have_run_for_a_while_are_settled(load: Callable[[str], ModuleType]) -> None:
    unsettled = load("library/settled_service.py").unsettled
    units = ["a.service", "b.service", "c.service", "d.service"]
    assert unsettled(SHOWN, units, monotonic=100.0, seconds=5.0) == {
        "b.service": "has run for 1.0 s",
        "c.service": "activating",
        "d.service": "unknown",
    }
    assert unsettled(SHOWN, units[:2], monotonic=200.0, seconds=5.0) == {}
