"""Imports: an image's content comes from the staging area or the web, in the background."""

from typing import Any

import msgspec

from cloudd.image.domain.access import Access
from cloudd.image.domain.upload import Uploads
from cloudd.image.domain.work import ImportImageParams
from cloudd.image.errors import ImageStatusConflict, ImportMethodUnknown
from cloudd.image.settings import ImageSettings
from cloudd.image.store.location import STAGED
from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.errors import BadRequest
from cloudd.kit.service import Cloud

STORE = "file"


class ImportMethod(msgspec.Struct):
    name: str
    uri: str | None = None


class ImportSpec(msgspec.Struct):
    method: ImportMethod
    stores: list[str] | None = None
    all_stores: bool | None = None
    all_stores_must_succeed: bool | None = None


class Imports:
    def __init__(self, cloud: Cloud, uploads: Uploads) -> None:
        self.cloud = cloud
        self.uploads = uploads
        self.access = Access()

    @property
    def methods(self) -> tuple[str, ...]:
        return self.cloud.settings.section(ImageSettings).import_methods

    async def start(self, ctx: Context, image_id: str, spec: ImportSpec) -> None:
        method = spec.method
        if method.name not in self.methods:
            raise ImportMethodUnknown(method=method.name, enabled=", ".join(self.methods))
        if (method.name == "web-download") != (method.uri is not None):
            raise BadRequest(reason="Import method web-download needs a uri, and no other method takes one.")
        if spec.stores is not None and (spec.stores != [STORE] or spec.all_stores):
            raise BadRequest(reason=f"The only store is {STORE!r}; name it, or ask for all_stores.")
        wanted = "uploading" if method.name == "glance-direct" else "queued"
        params = ImportImageParams(image_id, method.name, ctx.project_id, ctx.user_id, method.uri)
        images = self.access.images
        changes: dict[str, Any] = {"status": "importing", "updated_at": now()}
        async with self.cloud.db.write() as tx:
            image = await self.access.owned(tx, ctx, image_id)
            self.uploads.intake(image)
            staged = wanted == "queued" or await self.uploads.locations.store.hosts_of(tx, image_id, STAGED)
            if not staged or not await images.update(tx, image_id, images.table.c.status == wanted, **changes):
                raise ImageStatusConflict(image_id=image_id, found=image.status, wanted=f"{wanted} with its content complete")
            await self.cloud.sagas.start(tx, "image.import_image", params, resource_id=image_id, request_id=ctx.request_id)
