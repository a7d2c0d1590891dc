"""Compares the image rows with the files, and heals what a crash left."""

import logging

from cloudd.image.drivers.file import ImageFiles
from cloudd.image.settings import ImageSettings
from cloudd.image.store.image import ImageStore
from cloudd.kit.clock import now
from cloudd.kit.service import Cloud

log = logging.getLogger(__name__)


class Healing:
    def __init__(self, cloud: Cloud, files: ImageFiles) -> None:
        self.cloud = cloud
        self.files = files
        self.store = ImageStore()

    async def heal(self) -> None:
        """Remove files without an image, requeue uploads that nobody feeds, and say which images lost their file."""
        # Files first: a file seen now had its row before, so a row that is missing afterwards was deleted.
        present, staged = await self.files.image_ids(), await self.files.staged()
        async with self.cloud.db.read() as tx:
            images = {image.id: image for image in await self.store.find(tx)}
        for image_id in (present | set(staged)) - set(images):
            log.info("removing the files of image %s, which is gone", image_id)
            await self.files.delete(image_id)
        idle = 2 * self.cloud.settings.section(ImageSettings).upload_idle_timeout_seconds
        for image in images.values():
            silent = staged.get(image.id, (now() - image.updated_at).total_seconds())
            if image.status == "saving" and silent > idle and not await self._is_worked_on(image.id):
                await self._requeue(image.id)
            elif image.status in ("active", "deactivated") and image.id not in present:
                await self._lost(image.id)

    async def _is_worked_on(self, image_id: str) -> bool:
        async with self.cloud.db.read() as tx:
            return bool(await self.cloud.sagas.active_for(tx, image_id))

    async def _requeue(self, image_id: str) -> None:
        log.warning("the upload of image %s was cut off; the image is queued again", image_id)
        # The files first: once the image is queued, another upload may begin.
        await self.files.delete(image_id)
        async with self.cloud.db.write() as tx:
            await self.store.update(tx, image_id, self.store.table.c.status == "saving", status="queued", updated_at=now())

    async def _lost(self, image_id: str) -> None:
        """An image whose file vanished cannot be used; its record stays so that its owner learns it."""
        if self.files.path_of(image_id).exists():
            return
        log.error("image %s has lost its file %s; it is killed", image_id, self.files.path_of(image_id))
        async with self.cloud.db.write() as tx:
            await self.store.update(tx, image_id, self.store.table.c.status == "active", status="killed", updated_at=now())
