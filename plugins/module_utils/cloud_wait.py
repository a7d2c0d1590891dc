"""Waits for the cloud to finish what it has accepted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from ansible.module_utils.cloud_session import Refusal
from openstack import exceptions as sdk_errors

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 2.0

Seen = TypeVar("Seen")


def wait_until(what: str, look: Callable[[], Seen], is_done: Callable[[Seen], bool], timeout_seconds: float) -> Seen:
    """Call look() until is_done(its answer) and return that answer; refuse when time is up. is_done may raise Refusal itself."""
    deadline = time.monotonic() + timeout_seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        seen = look()
        if is_done(seen):
            return seen
        if time.monotonic() >= deadline:
            state = getattr(seen, "status", None)
            raise Refusal(f"After {timeout_seconds:g} s, {what} is still not so (status {state}). Raise timeout_seconds, or look at it.")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)


def wait_volume(connection: Any, volume_id: str, statuses: set[str], timeout_seconds: float) -> Any:
    """Wait until the volume has one of the statuses and return it; refuse if it falls into an error state."""

    def is_there(seen: Any) -> bool:
        if seen.status.startswith("error"):
            raise Refusal(f"Volume {seen.name} ({seen.id}) went into status {seen.status}. Delete it, or ask the operator for the cause.")
        return seen.status in statuses

    what = f"volume {volume_id} {' or '.join(sorted(statuses))}"
    return wait_until(what, lambda: connection.block_storage.get_volume(volume_id), is_there, timeout_seconds)


def wait_gone(what: str, look: Callable[[], Any], timeout_seconds: float) -> None:
    """Wait until look() raises the SDK's not-found error; refuse if the resource falls into an error state instead."""

    def is_gone(seen: Any) -> bool:
        if seen is not None and str(seen.status).lower() in {"error", "error_deleting"}:
            raise Refusal(f"{what}: deletion ended in status {seen.status}. Look at it with the _info module, then delete it again.")
        return seen is None

    def look_or_none() -> Any:
        try:
            return look()
        except sdk_errors.NotFoundException:
            return None

    wait_until(f"{what} gone", look_or_none, is_gone, timeout_seconds)
