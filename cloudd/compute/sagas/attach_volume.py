"""Plugs a volume into a server."""

from cloudd.compute.domain.build_spec import disk_spec
from cloudd.compute.domain.work import VolumeParams
from cloudd.compute.messages import AttachDisk, DetachDisk
from cloudd.compute.sagas.server_saga import ServerSaga
from cloudd.compute.store.block_device import BlockDevice
from cloudd.kit.errors import Condition, NotFound
from cloudd.kit.saga import Run


class AttachVolume(ServerSaga):
    kind = "compute.attach_volume"
    params = VolumeParams
    event = "compute_attach_volume"
    steps = ("reserve", "connect", "plug", "finish")
    harmless = frozenset({"finish"})

    async def device(self, run: Run) -> BlockDevice:
        """The attachment's row. NotFound once it is gone."""
        async with self.db.read() as tx:
            device = await self.devices.get(tx, run.params.attachment_id)
        if device is None:
            raise NotFound(what=f"Attachment {run.params.attachment_id}")
        return device

    async def reserve(self, run: Run) -> None:
        await self.volumes.reserve(run.ctx, run.params.volume_id)

    async def undo_reserve(self, run: Run) -> None:
        await self.volumes.unreserve(run.ctx, run.params.volume_id)

    async def connect(self, run: Run) -> None:
        server, device = await self.server(run), await self.device(run)
        connection = await self.volumes.attach(device, server.id, server.host or "")
        async with self.db.write() as tx:
            await self.devices.update(tx, device.id, connection=connection)

    async def undo_connect(self, run: Run) -> None:
        await self.volumes.detach(await self.device(run))

    async def plug(self, run: Run) -> None:
        server, device = await self.server(run), await self.device(run)
        await self.ask(server.host, AttachDisk(server_id=server.id, disk=disk_spec(device)))

    async def undo_plug(self, run: Run) -> None:
        server = await self.server(run)
        await self.ask(server.host, DetachDisk(server_id=server.id, volume_id=run.params.volume_id))

    async def finish(self, run: Run) -> None:
        await self.end(run)

    async def failed(self, run: Run, error: Condition) -> None:
        async with self.db.write() as tx:
            await self.devices.delete(tx, run.params.attachment_id)
        await self.end_failed(run, error)
