"""Makes an image of a server's root disk."""

from cloudd.compute.domain.work import CreateImageParams
from cloudd.compute.messages import SnapshotRoot
from cloudd.compute.sagas.server_saga import ServerSaga
from cloudd.kit.saga import Run


class CreateImage(ServerSaga):
    kind = "compute.create_image"
    params = CreateImageParams
    event = "compute_snapshot_instance"
    steps = ("queue", "snapshot", "fill", "finish")
    harmless = frozenset({"snapshot", "fill", "finish"})

    async def queue(self, run: Run) -> None:
        await self.images.queue(run.ctx, run.params)

    async def undo_queue(self, run: Run) -> None:
        await self.images.images.delete(run.ctx, run.params.image_id)

    async def snapshot(self, run: Run) -> None:
        server = await self.server(run)
        path = self.images.images.staging_path_of(run.params.image_id)
        message = SnapshotRoot(server_id=server.id, path=path)
        await self.ask(server.host, message, timeout_seconds=self.settings.build_timeout_seconds)

    async def fill(self, run: Run) -> None:
        path = self.images.images.staging_path_of(run.params.image_id)
        await self.images.images.fill_from_file(run.params.image_id, path)

    async def finish(self, run: Run) -> None:
        await self.end(run)
