"""Time as the APIs write it: always UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, UTC."""
    return datetime.now(UTC)


def iso_z(moment: datetime | None) -> str | None:
    """2026-01-01T00:00:00Z (compute, image, network)."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_micro(moment: datetime | None) -> str | None:
    """2026-01-01T00:00:00.000000 without a zone (volume, compute's nested times)."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%f")


def iso_micro_z(moment: datetime | None) -> str | None:
    """2026-01-01T00:00:00.000000Z (identity)."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str) -> datetime:
    """Read an ISO 8601 moment; without a zone it is taken as UTC. ValueError when it is none."""
    moment = datetime.fromisoformat(text.strip().replace(" ", "T").replace("Z", "+00:00"))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
