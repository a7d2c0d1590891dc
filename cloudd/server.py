"""Serves a process's applications over TLS, by Granian embedded in this event loop."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from cloudd.assembly import Process
from cloudd.kit.settings import ApiSettings

log = logging.getLogger(__name__)


async def serve(process: Process) -> None:
    """Answer requests until SIGTERM or SIGINT; then end what is under way and stop the process's parts."""
    api = process.cloud.settings.section(ApiSettings)
    app = process.app()
    app.warm_up()
    server = Server(
        app,
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
