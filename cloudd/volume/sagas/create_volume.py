"""Makes a volume: finds it a host, has the host make it, and opens it to its users."""

from cloudd.image.client import ImageClient
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run, Saga
from cloudd.volume.domain.host import Hosts
from cloudd.volume.domain.progress import Progress
from cloudd.volume.domain.work import CreateVolumeParams
from cloudd.volume.messages import CreateVolume as Create
from cloudd.volume.messages import DeleteVolume as Delete


class CreateVolume(Saga):
    kind = "volume.create_volume"
    params = CreateVolumeParams
    steps = ("place", "allocate", "finish")
    harmless = frozenset({"place", "finish"})

    def __init__(self, progress: Progress, hosts: Hosts) -> None:
        self.progress = progress
        self.hosts = hosts

    async def place(self, run: Run) -> None:
        """A copy is made where its source is; anything else where there is most room."""
        volume = await self.progress.volume(run.params.volume_id)
        if volume.host is not None:
            return
        source_id = volume.source_volume_id
        if volume.snapshot_id:
            source_id = (await self.progress.snapshot(volume.snapshot_id)).volume_id
        if source_id:
            source = await self.progress.volume(source_id)
            host, driver = source.host, source.driver
        else:
            chosen = await self.hosts.choose(volume.size, volume.availability_zone)
            host, driver = chosen.id, chosen.driver
        await self.progress.set_volume(volume.id, host=host, driver=driver)

    async def allocate(self, run: Run) -> None:
        volume = await self.progress.volume(run.params.volume_id)
        message = Create(
            volume_id=volume.id, size_gib=volume.size, snapshot_id=volume.snapshot_id, source_volume_id=volume.source_volume_id
        )
        if volume.source_volume_id:
            source = await self.progress.find_volume(volume.source_volume_id)
            message.source_in_use = source is not None and source.status == "in-use"
        if volume.image_id:
            message.image = await self.progress.cloud.client(ImageClient).source_of(volume.image_id, volume.host)
            await self.progress.set_volume(volume.id, status="downloading")
        await self.progress.ask(volume.host, message)

    async def undo_allocate(self, run: Run) -> None:
        volume = await self.progress.find_volume(run.params.volume_id)
        if volume is not None:
            await self.progress.ask(volume.host, Delete(volume_id=volume.id))

    async def finish(self, run: Run) -> None:
        await self.progress.set_volume(run.params.volume_id, status="available")

    async def failed(self, run: Run, error: Condition) -> None:
        await self.progress.set_volume(run.params.volume_id, status="error", reason=error.text, host=None, driver=None)
