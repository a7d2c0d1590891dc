"""Imports a staged or downloaded content into an image."""

from cloudd.image.domain.upload import Uploads
from cloudd.image.domain.web_download import fetch
from cloudd.image.domain.work import ImportImageParams
from cloudd.image.errors import StagedContentLost
from cloudd.image.store.location import STAGED
from cloudd.kit.errors import Condition
from cloudd.kit.saga import Run, Saga


class ImportImage(Saga):
    kind = "image.import_image"
    params = ImportImageParams
    steps = ("fetch", "take_in")
    harmless = frozenset({"take_in"})

    def __init__(self, uploads: Uploads) -> None:
        self.uploads = uploads
        self.locations = uploads.locations

    async def fetch(self, run: Run) -> dict[str, str]:
        """Bring the content to a staging area, where glance-direct's is already; which host's that is."""
        image_id = run.params.image_id
        if run.params.method == "web-download":
            staged = self.uploads.files.staging_path_of(image_id)
            await fetch(run.params.uri, staged, self.uploads.settings)
            await self.locations.note(image_id, self.locations.hosts.own, STAGED)
            return {"host": self.locations.hosts.own}
        hosts = await self.locations.hosts_of(image_id, STAGED)
        if not hosts:
            raise StagedContentLost(image_id=image_id)
        return {"host": hosts[0]}

    async def undo_fetch(self, run: Run) -> None:
        await self.locations.remove(run.params.image_id)

    async def take_in(self, run: Run) -> None:
        await self.uploads.take_staged(run.params.image_id, run.results["fetch"]["host"])

    async def failed(self, run: Run, error: Condition) -> None:
        await self.uploads.import_failed(run.params.image_id, error.text)
