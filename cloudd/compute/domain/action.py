"""The record of what was asked of a server and what came of it."""

import uuid

from cloudd.compute.errors import ActionNotFound
from cloudd.compute.store.action import Action, ActionStore, Event, action_table
from cloudd.compute.store.server import Server
from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro, now
from cloudd.kit.db import Transaction
from cloudd.kit.paging import Page
from cloudd.kit.service import Cloud


class Actions:
    """One row an action; its events are added by the sagas that do the work."""

    def __init__(self, cloud: Cloud) -> None:
        self.db = cloud.db
        self.store = ActionStore()

    async def record(self, tx: Transaction, ctx: Context, server: Server, action: str) -> None:
        """Within the transaction that starts the work."""
        moment = now()
        row = Action(
            id=str(uuid.uuid4()),
            server_id=server.id,
            action=action,
            request_id=ctx.request_id,
            user_id=ctx.user_id or "system",
            project_id=server.project_id,
            started_at=moment,
            updated_at=moment,
        )
        await self.store.insert(tx, row)

    async def finish(
        self, tx: Transaction, server_id: str, request_id: str, event: str, host: str | None, error: str | None = None
    ) -> None:
        """Note that the work of an action has ended, once; with `error` it failed."""
        action = await self.store.by_request(tx, server_id, request_id)
        if action is None or any(known.event == event for known in action.events):
            return
        done = Event(
            event=event,
            start_time=iso_micro(action.started_at) or "",
            finish_time=iso_micro(now()),
            result="Error" if error else "Success",
            details=error,
            host=host,
        )
        message = {"message": "Error"} if error else {}
        await self.store.update(tx, action.id, events=[*action.events, done], updated_at=now(), **message)

    async def page(self, server_id: str, page: Page) -> list[Action]:
        """A server's actions; the marker is a request's id."""
        async with self.db.read() as tx:
            if page.marker is not None:
                page.marker = (await self._by_request(tx, server_id, page.marker)).id
            return await self.store.page(tx, page, action_table.c.server_id == server_id)

    async def get(self, server_id: str, request_id: str) -> Action:
        """ActionNotFound."""
        async with self.db.read() as tx:
            return await self._by_request(tx, server_id, request_id)

    async def _by_request(self, tx: Transaction, server_id: str, request_id: str) -> Action:
        action = await self.store.by_request(tx, server_id, request_id)
        if action is None:
            raise ActionNotFound(action_request_id=request_id, server_id=server_id)
        return action
