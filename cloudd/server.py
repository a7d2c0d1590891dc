"""Serves a process's applications over TLS, by Granian embedded in this event loop."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from cloudd.assembly import Process
from cloudd.kit.db import Database
from cloudd.kit.retry import UNAVAILABLE_SECONDS
from cloudd.kit.settings import ApiSettings

log = logging.getLogger(__name__)

HEALTH_PATH = "/healthcheck"
#: How long a database that says nothing may be thought to be there; load balancers wait two seconds for all of the answer.
DATABASE_SECONDS = 1.0
#: How long requests under way may take once no more are let in.
FINISH_SECONDS = 15.0


class Door:
    """Before the applications: tells load balancers whether to send requests here, and knows which are under way."""

    def __init__(self, app: Any, db: Database) -> None:
        self._app = app
        self._db = db
        self.is_draining = False
        self.open_requests = 0
        self._last_answer = float("-inf")
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == HEALTH_PATH:
            await self._tell(send)
        else:
            self.open_requests += 1
            self._idle.clear()
            try:
                await self._app(scope, receive, send)
            finally:
                self.open_requests -= 1
                if not self.open_requests:
                    self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Send load balancers away, serve on while they notice, then wait for what is under way."""
        self.is_draining = True
        await asyncio.sleep(seconds)
        try:
            async with asyncio.timeout(FINISH_SECONDS if seconds else 0):
                await self._idle.wait()
        except TimeoutError:
            log.info("%d requests are cut off", self.open_requests)

    async def _tell(self, send: Any) -> None:
        problem = "draining" if self.is_draining else await self._database_problem()
        # To HAProxy (disable-on-404) a 404 means: nothing new, but what is under way goes on. A 503 would have it cut that off.
        status = 200 if problem is None else 404 if self.is_draining else 503
        body = msgspec.json.encode({"status": "ready"} if problem is None else {"status": "unavailable", "reason": problem})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _database_problem(self) -> str | None:
        """A failover of the database is waited for by requests, so it sends none away: all controllers have the same one."""
        try:
            async with asyncio.timeout(DATABASE_SECONDS), self._db.read() as tx:
                await tx.scalar(sa.select(sa.literal(1)))
        except Exception as error:
            log.warning("the database does not answer: %s: %s", type(error).__name__, getattr(error, "orig", error))
            return "the database does not answer" if time.monotonic() - self._last_answer > UNAVAILABLE_SECONDS else None
        self._last_answer = time.monotonic()
        return None


async def serve(process: Process) -> None:
    """Answer requests until SIGTERM or SIGINT; then end what is under way and stop the process's parts."""
    api = process.cloud.settings.section(ApiSettings)
    app = process.app()
    app.warm_up()
    door = Door(app, process.cloud.db)
    server = Server(
        door,
        address=api.listen_address,
        port=api.port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.auto,
        backlog=1024,
        websockets=False,
        log_enabled=False,
        ssl_cert=Path(api.tls_certificate_path) if api.tls_certificate_path else None,
        ssl_key=Path(api.tls_key_path) if api.tls_key_path else None,
    )
    serving = asyncio.create_task(server.serve())
    stopped = asyncio.create_task(until_stopped())
    log.info("the API answers on %s:%d as %s", api.listen_address, api.port, api.public_url)
    await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        await door.drain(api.drain_seconds)
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait((serving,), timeout=5)
    await process.stop()
    if serving.done() and not stopped.done():
        stopped.cancel()
        serving.result()


async def until_stopped() -> None:
    """Wait for SIGTERM or SIGINT."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    await event.wait()
