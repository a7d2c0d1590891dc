"""What was asked of a server, by whom, and what came of it."""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, Json, Moment, Transaction, metadata
from cloudd.kit.store import Store

action_table = sa.Table(
    "compute_action",
    metadata,
    sa.Column("id", Id(), primary_key=True),
    sa.Column("server_id", Id(), nullable=False, index=True),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("user_id", Id(), nullable=False),
    sa.Column("project_id", Id(), nullable=False),
    sa.Column("message", sa.Text),
    sa.Column("started_at", Moment(), nullable=False),
    sa.Column("updated_at", Moment(), nullable=False),
    sa.Column("events", Json(), nullable=False),
    sa.UniqueConstraint("server_id", "request_id", "action"),
)


class Event(msgspec.Struct, kw_only=True):
    """One piece of work done for an action; times in ISO 8601."""

    event: str
    start_time: str
    finish_time: str | None = None
    result: str | None = None
    traceback: str | None = None
    host: str | None = None
    details: str | None = None


class Action(msgspec.Struct, kw_only=True):
    id: str
    server_id: str
    action: str
    request_id: str
    user_id: str
    project_id: str
    message: str | None = None
    started_at: datetime
    updated_at: datetime
    events: list[Event] = []


class ActionStore(Store[Action]):
    def __init__(self) -> None:
        super().__init__(action_table, Action)

    def _build(self, row: Any) -> Action:
        return Action(**{**row, "events": msgspec.convert(row["events"], list[Event])})

    async def by_request(self, tx: Transaction, server_id: str, request_id: str) -> Action | None:
        """The action a request caused."""
        rows = await self.find(tx, action_table.c.server_id == server_id, action_table.c.request_id == request_id)
        return rows[0] if rows else None
