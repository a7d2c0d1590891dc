"""Logging: one line a record with the request's id, fit for journald."""

from __future__ import annotations

import logging
from contextvars import ContextVar

#: The request or saga that the current task works for; "-" outside of one.
request_id: ContextVar[str] = ContextVar("request_id", default="-")


class _WithRequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


def configure(level: str = "info") -> None:
    """Send records of that level and above to standard error."""
    handler = logging.StreamHandler()
    handler.addFilter(_WithRequestId())
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s [%(request_id)s] %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("ovsdbapp", "httpx", "_granian", "alembic", "aiormq", "httpcore"):
        logging.getLogger(noisy).setLevel("WARNING")
