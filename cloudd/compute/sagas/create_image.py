"""Makes an image of a server's root disk."""

from cloudd.compute.domain.work import CreateImageParams
from cloudd.compute.messages import SnapshotRoot
from cloudd.compute.sagas.server_saga import ServerSaga
from cloudd.kit.saga import Run


class CreateImage(ServerSaga):
    kind = "compute.create_image"
    params = CreateImageParams
    event = "compute_snapshot_instance"
    steps = ("queue", "snapshot", "finish")
    harmless = frozenset({"snapshot", "finish"})

    async def queue(self, run: Run) -> None:
        await self.images.queue(run.ctx, run.params)

    async def undo_queue(self, run: Run) -> None:
        await self.images.images.delete(run.ctx, run.params.image_id)

    async def snapshot(self, run: Run) -> None:
        """In one step: what the host leaves in this host's files, another worker would not find."""
        images, image_id = self.images.images, run.params.image_id
        if await images.is_active(image_id):
            return
        server = await self.server(run)
        message = SnapshotRoot(server_id=server.id, target=images.target_of(image_id, server.host))
        await self.ask(server.host, message, timeout_seconds=self.settings.build_timeout_seconds)
        await images.fill(image_id)

    async def finish(self, run: Run) -> None:
        await self.end(run)
