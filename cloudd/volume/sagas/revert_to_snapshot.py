"""Gives a volume its snapshot's content back."""

from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run, Saga
from cloudd.volume.domain.progress import Progress
from cloudd.volume.domain.work import SnapshotParams
from cloudd.volume.messages import RevertVolume


class RevertToSnapshot(Saga):
    kind = "volume.revert_to_snapshot"
    params = SnapshotParams
    steps = ("revert", "finish")
    #: the driver replaces the content at once or not at all
    harmless = frozenset({"revert", "finish"})

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    async def revert(self, run: Run) -> None:
        volume = await self.progress.volume(run.params.volume_id)
        message = RevertVolume(volume_id=volume.id, size_gib=volume.size, snapshot_id=run.params.snapshot_id)
        await self.progress.ask(volume.host, message)

    async def finish(self, run: Run) -> None:
        await self.progress.set_volume(run.params.volume_id, status="available")

    async def failed(self, run: Run, error: Condition) -> None:
        await self.progress.set_volume(run.params.volume_id, status="error", reason=error.text)
