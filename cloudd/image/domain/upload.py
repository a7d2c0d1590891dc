"""The bytes of an image on their way in and out."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from cloudd.image.domain.access import Access
from cloudd.image.domain.intake import Facts, Intake, examine, receive
from cloudd.image.drivers.file import ImageFiles
from cloudd.image.errors import (
    FormatsMissing,
    ImageDeactivated,
    ImageNotFound,
    ImageStatusConflict,
    RangeUnsatisfiable,
    UploadBroken,
)
from cloudd.image.settings import ImageSettings
from cloudd.image.store.image import Image
from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.service import Cloud


class Content(msgspec.Struct):
    """A part of an image's file, ready to be sent. `range` says which part of how much; None for the whole."""

    chunks: AsyncIterator[bytes]
    length: int
    image: Image
    range: str | None = None


class Uploads:
    def __init__(self, cloud: Cloud, files: ImageFiles) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.files = files
        self.access = Access()
        self.store = self.access.images

    @property
    def settings(self) -> ImageSettings:
        return self.cloud.settings.section(ImageSettings)

    def intake(self, image: Image) -> Intake:
        if image.disk_format is None or image.container_format is None:
            raise FormatsMissing
        return Intake(image.disk_format, image.container_format, self.settings.size_limit_bytes)

    async def upload(self, ctx: Context, image_id: str, body: AsyncIterator[bytes], content_length: int | None) -> None:
        """Take in a queued image's content. Whatever goes wrong, the image is queued again and has no file."""
        image = await self._take(ctx, image_id, "saving")
        partial = self.files.partial_path_of(image_id)
        try:
            intake = self.intake(image)
            size = await receive(body, partial, intake, self.settings.upload_idle_timeout_seconds)
            if content_length is not None and size != content_length:
                raise UploadBroken(reason=f"{size} of {content_length} bytes arrived")
            await self.complete(image_id, partial, intake.facts(), from_status="saving")
        except BaseException:
            partial.unlink(missing_ok=True)
            await self.requeue(image_id, "saving")
            raise

    async def stage(self, ctx: Context, image_id: str, body: AsyncIterator[bytes], content_length: int | None) -> None:
        """Take in a content that a later import examines."""
        image = await self._take(ctx, image_id, "uploading")
        partial, staged = self.files.partial_path_of(image_id), self.files.staging_path_of(image_id)
        try:
            self.intake(image)
            size = await receive(body, partial, None, self.settings.upload_idle_timeout_seconds)
            if content_length is not None and size != content_length:
                raise UploadBroken(reason=f"{size} of {content_length} bytes arrived")
            partial.replace(staged)
        except BaseException:
            partial.unlink(missing_ok=True)
            await self.requeue(image_id, "uploading")
            raise

    async def complete(self, image_id: str, source: Path, facts: Facts, *, from_status: str) -> None:
        """Move the examined file in and make the image active."""
        await self.files.move_in(source, image_id)
        table = self.store.table.c
        async with self.db.write() as tx:
            values = msgspec.structs.asdict(facts)
            done = await self.store.update(tx, image_id, table.status == from_status, status="active", updated_at=now(), **values)
        if not done:
            # Deleted while its bytes came in.
            await self.files.delete(image_id)
            raise ImageNotFound(image_id=image_id)

    async def requeue(self, image_id: str, from_status: str) -> None:
        async with self.db.write() as tx:
            await self.store.update(tx, image_id, self.store.table.c.status == from_status, status="queued", size=None, updated_at=now())

    async def take_file(self, image_id: str, source: Path) -> None:
        """Make a file of this host the content of a queued (or half saved) image; done already when the image is active."""
        table = self.store.table.c
        async with self.db.write() as tx:
            image = await self.store.get(tx, image_id, lock=True)
            if image is None:
                raise ImageNotFound(image_id=image_id)
            if image.status == "active":
                return
            await self.store.update(tx, image_id, table.status == "queued", status="saving", updated_at=now())
        if not source.exists() and self.files.path_of(image_id).exists():
            source = self.files.path_of(image_id)
        facts = await examine(source, self.intake(image))
        await self.complete(image_id, source, facts, from_status="saving")

    async def take_staged(self, image_id: str) -> None:
        """The import's end: examine what is staged and make it the content; done already when the image is active."""
        async with self.db.read() as tx:
            image = await self.store.get(tx, image_id)
        if image is None:
            raise ImageNotFound(image_id=image_id)
        if image.status == "active":
            return
        staged = self.files.staging_path_of(image_id)
        source = staged if staged.exists() else self.files.path_of(image_id)
        await self.complete(image_id, source, await examine(source, self.intake(image)), from_status="importing")

    async def import_failed(self, image_id: str, reason: str) -> None:
        """Queue the image again and tell its owner why."""
        async with self.db.write() as tx:
            image = await self.store.get(tx, image_id, lock=True)
            if image is not None and image.status == "importing":
                told = {**image.properties, "os_glance_failed_import": "file", "os_glance_import_failure": reason}
                await self.store.update(tx, image_id, status="queued", properties=told, updated_at=now())

    async def download(self, ctx: Context, image_id: str, asked: tuple[int | None, int | None] | None) -> Content | None:
        """The content, or of it the bytes from the first to the last asked for; None while there is none."""
        async with self.db.read() as tx:
            image = await self.access.visible(tx, ctx, image_id)
        if image.status == "deactivated" and not ctx.is_admin:
            raise ImageDeactivated
        if image.status not in ("active", "deactivated") or image.size is None:
            return None
        path = self.files.path_of(image_id)
        if asked is None:
            return Content(self.files.read(path), image.size, image)
        first, last = self._bounds(asked, image.size)
        length = last - first + 1
        return Content(self.files.read(path, first, length), length, image, f"bytes {first}-{last}/{image.size}")

    @staticmethod
    def _bounds(asked: tuple[int | None, int | None], size: int) -> tuple[int, int]:
        first, last = asked
        if first is None:
            first, last = max(size - (last or 0), 0), size - 1
        last = size - 1 if last is None else min(last, size - 1)
        if first > last:
            raise RangeUnsatisfiable(range=f"{asked[0]}-{asked[1]}", size_bytes=size)
        return first, last

    async def _take(self, ctx: Context, image_id: str, status: str) -> Image:
        """Reserve a queued image for the one who brings its bytes."""
        table = self.store.table.c
        async with self.db.write() as tx:
            image = await self.access.owned(tx, ctx, image_id)
            self.intake(image)
            if not await self.store.update(tx, image_id, table.status == "queued", status=status, updated_at=now()):
                raise ImageStatusConflict(image_id=image_id, found=image.status, wanted="queued")
        return image
