"""Unplugs a volume from a server."""

from cloudd.compute.domain.work import VolumeParams
from cloudd.compute.messages import DetachDisk
from cloudd.compute.sagas.server_saga import ServerSaga
from cloudd.kit.saga import Run


class DetachVolume(ServerSaga):
    """Goes forward only: when the guest holds on, the volume stays attached and the user may ask again."""

    kind = "compute.detach_volume"
    params = VolumeParams
    event = "compute_detach_volume"
    steps = ("unplug", "disconnect", "finish")
    harmless = frozenset(steps)

    async def unplug(self, run: Run) -> None:
        server = await self.server(run)
        if server.host is not None:
            await self.ask(server.host, DetachDisk(server_id=server.id, volume_id=run.params.volume_id))

    async def disconnect(self, run: Run) -> None:
        async with self.db.read() as tx:
            device = await self.devices.get(tx, run.params.attachment_id)
        if device is not None:
            await self.volumes.detach(device)

    async def finish(self, run: Run) -> None:
        async with self.db.write() as tx:
            await self.devices.delete(tx, run.params.attachment_id)
        await self.end(run)
