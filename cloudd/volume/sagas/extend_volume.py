"""Grows a volume; the servers that use it are told."""

from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run, Saga
from cloudd.volume.domain.attachment import Attachments
from cloudd.volume.domain.progress import Progress
from cloudd.volume.domain.work import ExtendVolumeParams
from cloudd.volume.messages import ExtendVolume as Extend
from cloudd.volume.messages import VolumeExtended


class ExtendVolume(Saga):
    kind = "volume.extend_volume"
    params = ExtendVolumeParams
    steps = ("grow", "finish", "tell")
    #: a volume that grew stays grown: shrinking it back could cut off data
    harmless = frozenset({"grow", "finish", "tell"})

    def __init__(self, progress: Progress, attachments: Attachments) -> None:
        self.progress = progress
        self.attachments = attachments

    async def grow(self, run: Run) -> None:
        volume = await self.progress.volume(run.params.volume_id)
        await self.progress.ask(volume.host, Extend(volume_id=volume.id, size_gib=run.params.size_gib))

    async def finish(self, run: Run) -> None:
        params = run.params
        await self.progress.set_volume(params.volume_id, size=params.size_gib, extending_to=None, status=params.previous_status)

    async def tell(self, run: Run) -> None:
        attached = (await self.attachments.of_volumes([run.params.volume_id]))[run.params.volume_id]
        if servers := [attachment.server_id for attachment in attached if attachment.server_id]:
            event = VolumeExtended(volume_id=run.params.volume_id, size_gib=run.params.size_gib, server_ids=servers)
            await self.progress.cloud.bus.publish(event)

    async def failed(self, run: Run, error: Condition) -> None:
        await self.progress.set_volume(run.params.volume_id, extending_to=None, status="error_extending", reason=error.text)
