"""Imports a staged or downloaded content into an image."""

from cloudd.image.domain.upload import Uploads
from cloudd.image.domain.web_download import fetch
from cloudd.image.domain.work import ImportImageParams
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run, Saga


class ImportImage(Saga):
    kind = "image.import_image"
    params = ImportImageParams
    steps = ("fetch", "take_in")
    harmless = frozenset({"take_in"})

    def __init__(self, uploads: Uploads) -> None:
        self.uploads = uploads

    async def fetch(self, run: Run) -> None:
        """Bring the content to the staging area, where glance-direct's is already."""
        if run.params.method == "web-download":
            files = self.uploads.files
            partial = files.partial_path_of(run.params.image_id)
            await fetch(run.params.uri, partial, self.uploads.settings)
            partial.replace(files.staging_path_of(run.params.image_id))

    async def undo_fetch(self, run: Run) -> None:
        files = self.uploads.files
        for path in (files.partial_path_of(run.params.image_id), files.staging_path_of(run.params.image_id)):
            path.unlink(missing_ok=True)

    async def take_in(self, run: Run) -> None:
        await self.uploads.take_staged(run.params.image_id)

    async def failed(self, run: Run, error: Condition) -> None:
        await self.uploads.import_failed(run.params.image_id, error.text)
