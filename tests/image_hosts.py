"""Image hosts on loopback: API process, worker part and image agent each, with directories of their own and one database and bus."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import httpx
import msgspec
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from cloudd import assembly
from cloudd.image.agent import ImageAgent, build
from cloudd.image.client import ImageClient
from cloudd.image.settings import ImageSettings
from cloudd.kit.bus import InProcessBus
from cloudd.kit.settings import ApiSettings, HostSettings, Settings
from tests.conftest import furnished, settings_for

SERVICES = ("identity", "image")
OCTETS = {"Content-Type": "application/octet-stream"}


class ImageHost:
    """One control host at 127.0.0.<number>. ``cut()`` is its power cord; ``start()`` brings it back with the files it had."""

    def __init__(self, directory: Path, number: int, port: int, bus: InProcessBus, **image: Any) -> None:
        self.name, self.address, self.bus = f"ctl{number}", f"127.0.0.{number}", bus
        self.directory = directory / self.name
        settings = settings_for(directory, SERVICES)
        host = HostSettings(name=self.name, management_address=self.address)
        api = msgspec.structs.replace(settings.section(ApiSettings), public_url=f"http://127.0.0.1:{port}", port=port)
        store = ImageSettings(directory=str(self.directory), heartbeat_interval_seconds=0.2, transfer_idle_timeout_seconds=3, **image)
        self.settings: Settings = _replaced(settings, host, api, store)
        self.base = f"http://{self.address}:{port}"
        self.http = httpx.AsyncClient(base_url=self.base, timeout=30)
        self.port = port
        self.process: assembly.Process
        self.agent: ImageAgent
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.process = assembly.Process(self.settings, SERVICES)
        self.process.cloud.bus = self.bus
        await self.process.start()
        self.process.serve_topics()
        self.agent = build(self.settings, self.bus)
        await self.agent.start()
        app = self.process.app()
        self._server = Server(
            app, address=self.address, port=self.port, interface=Interfaces.ASGINL, http=HTTPModes.auto, websockets=False, log_enabled=False
        )
        self._serving = asyncio.create_task(self._server.serve())
        for _ in range(100):
            try:
                await self.http.get("/identity/v3")
            except httpx.HTTPError:
                await asyncio.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{self.base} does not answer")

    async def cut(self) -> None:
        await self.agent.stop()
        assert self._serving is not None
        self._server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait((self._serving,), timeout=5)

    async def stop(self) -> None:
        if self._serving is not None and not self._serving.done():
            await self.cut()
        await self.http.aclose()
        await self.process.reconcilers.stop()
        await self.process.cloud.sagas.stop()
        await self.process.cloud.db.close()

    @property
    def images(self) -> ImageClient:
        return self.process.cloud.client(ImageClient)

    def files(self) -> list[str]:
        """Everything in its directory of images."""
        return sorted(str(path.relative_to(self.directory)) for path in self.directory.rglob("*") if path.is_file())


def _replaced(settings: Settings, *sections: msgspec.Struct) -> Settings:
    for section in sections:
        settings._by_type[type(section)] = section
    return settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def start_hosts(directory: Path, count: int, **image: Any) -> list[ImageHost]:
    """So many hosts, with the users of the tests; the worker's part runs on the first."""
    template = await furnished()
    (directory / "cloudd.db").write_bytes(template.path.read_bytes())
    bus, port = InProcessBus(), free_port()
    hosts = [ImageHost(directory, number, port, bus, **image) for number in range(1, count + 1)]
    for host in hosts:
        host.http.headers["X-Auth-Token"] = template.tokens["demo"]
        await host.start()
    return hosts
