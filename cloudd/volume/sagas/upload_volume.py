"""Writes a volume's content into an image that waits for it."""

from cloudd.image.client import ImageClient
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run, Saga
from cloudd.volume.domain.progress import Progress
from cloudd.volume.domain.work import UploadVolumeParams
from cloudd.volume.messages import WriteImage


class UploadVolume(Saga):
    kind = "volume.upload_volume"
    params = UploadVolumeParams
    steps = ("write", "finish")
    harmless = frozenset({"finish"})

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    @property
    def images(self) -> ImageClient:
        return self.progress.cloud.client(ImageClient)

    async def write(self, run: Run) -> None:
        """In one step: what the host leaves in this host's files, another worker would not find."""
        if await self.images.is_active(run.params.image_id):
            return
        volume = await self.progress.volume(run.params.volume_id)
        target = self.images.target_of(run.params.image_id, volume.host)
        await self.progress.ask(volume.host, WriteImage(volume_id=volume.id, target=target, disk_format=run.params.disk_format))
        await self.images.fill(run.params.image_id)

    async def undo_write(self, run: Run) -> None:
        """An image without content helps nobody: it goes, with whatever was written."""
        await self.images.discard(run.params.image_id)

    async def finish(self, run: Run) -> None:
        await self.progress.set_volume(run.params.volume_id, status=run.params.previous_status)

    async def failed(self, run: Run, error: Condition) -> None:
        await self.progress.set_volume(run.params.volume_id, status=run.params.previous_status, reason=error.text)
