"""Removes a volume, with the snapshots that go with it, from its host and from the records."""

from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run, Saga
from cloudd.volume.domain.progress import Progress
from cloudd.volume.domain.work import DeleteVolumeParams
from cloudd.volume.messages import DeleteSnapshot
from cloudd.volume.messages import DeleteVolume as Delete


class DeleteVolume(Saga):
    kind = "volume.delete_volume"
    params = DeleteVolumeParams
    steps = ("remove", "forget")
    #: what is deleted cannot be brought back: a failed delete is repeated, never undone
    harmless = frozenset({"remove", "forget"})

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    async def remove(self, run: Run) -> None:
        volume = await self.progress.find_volume(run.params.volume_id)
        if volume is None:
            return
        for snapshot_id in run.params.snapshot_ids:
            await self.progress.ask(volume.host, DeleteSnapshot(snapshot_id=snapshot_id))
        await self.progress.ask(volume.host, Delete(volume_id=volume.id))

    async def forget(self, run: Run) -> None:
        await self.progress.forget_volume(run.params.volume_id)

    async def failed(self, run: Run, error: Condition) -> None:
        for snapshot_id in run.params.snapshot_ids:
            await self.progress.set_snapshot(snapshot_id, status="error_deleting", reason=error.text)
        await self.progress.set_volume(run.params.volume_id, status="error_deleting", reason=error.text)
