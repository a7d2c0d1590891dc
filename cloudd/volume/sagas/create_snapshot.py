"""Takes a snapshot."""

from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run, Saga
from cloudd.volume.domain.progress import Progress
from cloudd.volume.domain.work import SnapshotParams
from cloudd.volume.messages import CreateSnapshot as Create
from cloudd.volume.messages import DeleteSnapshot as Delete


class CreateSnapshot(Saga):
    kind = "volume.create_snapshot"
    params = SnapshotParams
    steps = ("take", "finish")
    harmless = frozenset({"finish"})

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    async def take(self, run: Run) -> None:
        volume = await self.progress.volume(run.params.volume_id)
        message = Create(snapshot_id=run.params.snapshot_id, volume_id=volume.id, in_use=run.params.in_use)
        await self.progress.ask(volume.host, message)

    async def undo_take(self, run: Run) -> None:
        volume = await self.progress.find_volume(run.params.volume_id)
        if volume is not None:
            await self.progress.ask(volume.host, Delete(snapshot_id=run.params.snapshot_id))

    async def finish(self, run: Run) -> None:
        await self.progress.set_snapshot(run.params.snapshot_id, status="available")

    async def failed(self, run: Run, error: Condition) -> None:
        await self.progress.set_snapshot(run.params.snapshot_id, status="error", reason=error.text)
