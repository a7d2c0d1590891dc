"""Removes a snapshot from its host and from the records."""

from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run, Saga
from cloudd.volume.domain.progress import Progress
from cloudd.volume.domain.work import SnapshotParams
from cloudd.volume.messages import DeleteSnapshot as Delete


class DeleteSnapshot(Saga):
    kind = "volume.delete_snapshot"
    params = SnapshotParams
    steps = ("remove", "forget")
    #: what is deleted cannot be brought back: a failed delete is repeated, never undone
    harmless = frozenset({"remove", "forget"})

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    async def remove(self, run: Run) -> None:
        volume = await self.progress.volume(run.params.volume_id)
        await self.progress.ask(volume.host, Delete(snapshot_id=run.params.snapshot_id))

    async def forget(self, run: Run) -> None:
        await self.progress.forget_snapshot(run.params.snapshot_id)

    async def failed(self, run: Run, error: Condition) -> None:
        await self.progress.set_snapshot(run.params.snapshot_id, status="error_deleting", reason=error.text)
