"""What the sagas on a server have in common: its rows, its host, and how they end."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec

from cloudd.compute.domain import build_spec
from cloudd.compute.domain.action import Actions
from cloudd.compute.domain.server_facts import ServerFactsSource
from cloudd.compute.domain.server_image import ServerImages
from cloudd.compute.domain.server_network import ServerNetwork
from cloudd.compute.domain.server_volume import ServerVolumes
from cloudd.compute.drivers.base import ServerSpec
from cloudd.compute.errors import HostFailed, ServerNotFound, StillBusy
from cloudd.compute.messages import agent_topic
from cloudd.compute.metadata.facts import tree
from cloudd.compute.settings import ComputeSettings
from cloudd.compute.store.block_device import BlockDevice, BlockDeviceStore
from cloudd.compute.store.interface import Interface, InterfaceStore
from cloudd.compute.store.server import Fault, Server, ServerStore, server_table
from cloudd.kit.bus import Message
from cloudd.kit.clock import iso_z, now
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run, Saga
from cloudd.kit.service import Cloud

_POLL_SECONDS = 0.2


class ServerSaga(Saga):
    """`event` is the name under which the work stands in the server's actions."""

    event = ""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.settings = cloud.settings.section(ComputeSettings)
        self.servers = ServerStore()
        self.devices = BlockDeviceStore()
        self.interfaces = InterfaceStore()
        self.actions = Actions(cloud)
        self.images = ServerImages(cloud)
        self.network = ServerNetwork(cloud)
        self.volumes = ServerVolumes(cloud)
        self.facts = ServerFactsSource(cloud)

    async def server(self, run: Run) -> Server:
        """The row as it is now. ServerNotFound once it is deleted."""
        async with self.db.read() as tx:
            server = await self.servers.alive(tx, run.params.server_id)
        if server is None:
            raise ServerNotFound(server_id=run.params.server_id)
        return server

    async def parts(self, server_id: str) -> tuple[list[BlockDevice], list[Interface]]:
        """The server's disks and NICs."""
        async with self.db.read() as tx:
            return (await self.devices.of(tx, [server_id]))[server_id], (await self.interfaces.of(tx, [server_id]))[server_id]

    async def connect_to(self, server: Server, host: str) -> None:
        """The server's ports and volumes are on that host, told anew: also to one that has forgotten them."""
        devices, interfaces = await self.parts(server.id)
        for interface in interfaces:
            await self.network.bind(interface, server, host)
        await self.connect_volumes(server, host, devices)

    async def connect_volumes(self, server: Server, host: str, devices: list[BlockDevice]) -> None:
        """The volumes among the devices are reached from that host."""
        for device in devices:
            if device.volume_id:
                connection = await self.volumes.attach(device, server.id, host)
                async with self.db.write() as tx:
                    await self.devices.update(tx, device.id, connection=connection)

    async def until_alone(self, run: Run) -> None:
        """Wait for other work on the server to end. StillBusy after the build's timeout."""
        deadline = now() + timedelta(seconds=self.settings.build_timeout_seconds)
        while await self._others(run):
            if now() > deadline:
                raise StillBusy(server_id=run.params.server_id)
            await asyncio.sleep(_POLL_SECONDS)

    async def _others(self, run: Run) -> bool:
        async with self.db.read() as tx:
            return any(row.id != run.id for row in await self.cloud.sagas.active_for(tx, run.params.server_id))

    async def ask(self, host: str | None, message: Message, *, timeout_seconds: float = 120) -> Any:
        """Let the host do it. HostFailed where the server has none."""
        if host is None:
            raise HostFailed(reason="The server is on no host.")
        return await self.cloud.bus.call(agent_topic(host), message, timeout_seconds=timeout_seconds)

    async def spec(self, server: Server, *, fresh: bool = False) -> ServerSpec:
        """What the host builds the server from; `fresh` ones may have their disks made, others must find them."""
        devices, interfaces = await self.parts(server.id)
        disks = []
        for device in devices:
            from_image = fresh and not device.volume_id and device.source == "image" and device.source_id
            disks.append(build_spec.disk_spec(device, await self.images.source(str(device.source_id), server.host) if from_image else None))
        views = {view.port_id: view for view in (await self.network.views([server.id])).get(server.id, [])}
        nics = [
            build_spec.interface_spec(interface, server.image_properties, mtu=view.mtu, vif_type=view.vif.type, bridge=view.vif.bridge)
            for interface in interfaces
            if (view := views.get(interface.id))
        ]
        drive = tree(await self.facts.of(server, for_drive=True)) if server.config_drive else {}
        return build_spec.server_spec(server, disks, nics, drive, disks_must_exist=not fresh)

    async def update(self, run: Run, **values: Any) -> None:
        """Change the row, without ending the work."""
        async with self.db.write() as tx:
            await self.servers.update(tx, run.params.server_id, **{"updated_at": now(), **values})

    async def end(self, run: Run, **values: Any) -> None:
        """The work is done: change the row, clear the task state and note it in the action."""
        async with self.db.write() as tx:
            server = await self.servers.get(tx, run.params.server_id)
            # A deletion that came in between keeps its task state.
            await self.servers.update(tx, run.params.server_id, **{"updated_at": now(), **values})
            await self.servers.update(tx, run.params.server_id, _not_deleting(), task_state=None)
            host = server.host if server else None
            await self.actions.finish(tx, run.params.server_id, run.request_id, self.event, host)

    async def end_failed(self, run: Run, error: Condition, **values: Any) -> None:
        """The work failed: as `end`, and the action says so."""
        async with self.db.write() as tx:
            server = await self.servers.get(tx, run.params.server_id)
            await self.servers.update(tx, run.params.server_id, **{"updated_at": now(), **values})
            await self.servers.update(tx, run.params.server_id, _not_deleting(), task_state=None)
            await self.actions.finish(
                tx, run.params.server_id, run.request_id, self.event, server.host if server else None, error=error.text
            )

    async def failed(self, run: Run, error: Condition) -> None:
        """Unless a saga knows better, a failed action leaves the server as it was before, and in ERROR only where its state is unsure."""
        await self.end_failed(run, error)


def fault_of(error: Condition) -> Fault:
    """A condition as the API shows it in a server's fault."""
    return Fault(code=500 if error.status < 400 else error.status, message=error.text, created=iso_z(now()) or "", details=error.code)


def as_row(value: msgspec.Struct) -> Any:
    """A struct as a JSON column takes it."""
    return msgspec.to_builtins(value)


def _not_deleting() -> Any:
    column = server_table.c.task_state
    return (column != "deleting") | column.is_(None)
