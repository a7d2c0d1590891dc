"""The bytes of an image on their way in and out."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from cloudd.image.domain.access import Access
from cloudd.image.domain.intake import Intake, examine, receive
from cloudd.image.domain.location import Locations
from cloudd.image.drivers.file import ImageFiles
from cloudd.image.errors import (
    FormatsMissing,
    ImageDeactivated,
    ImageNotFound,
    ImageStatusConflict,
    RangeUnsatisfiable,
)
from cloudd.image.messages import Facts, TakeStaged, agent_topic
from cloudd.image.settings import ImageSettings
from cloudd.image.store.image import Image
from cloudd.image.store.location import STAGED, WHOLE
from cloudd.image.transfer.http import read_file
from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.service import Cloud

log = logging.getLogger(__name__)

Range = tuple[int | None, int | None]


class Content(msgspec.Struct):
    """A part of an image's file, ready to be sent. `range` says which part of how much; None for the whole."""

    chunks: AsyncIterator[bytes]
    length: int
    image: Image
    range: str | None = None


class Uploads:
    def __init__(self, cloud: Cloud, files: ImageFiles, locations: Locations) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.files = files
        self.locations = locations
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
        await self._receive(image, body, content_length)

    async def _receive(self, image: Image, body: AsyncIterator[bytes], content_length: int | None) -> None:
        """For an image that is "saving" on the caller's behalf."""
        staged = self.files.staging_path_of(image.id)
        try:
            async with self._alive(image.id):
                intake = self.intake(image)
                await receive(body, staged, intake, self.settings.upload_idle_timeout_seconds, announced_bytes=content_length)
                facts = intake.facts()
                await self.files.move_in(staged, image.id)
                await self.complete(image, facts, holder=self.locations.hosts.own, from_status="saving")
        except BlockingIOError:
            raise ImageStatusConflict(image_id=image.id, found="being written", wanted="waiting for its content") from None
        except BaseException:
            await self.locations.remove(image.id)
            await self.requeue(image.id, "saving")
            raise

    @contextlib.asynccontextmanager
    async def _alive(self, image_id: str) -> AsyncIterator[None]:
        """Show, as long as the block lasts, that somebody works on the image: else the reconciler queues it again."""

        async def show() -> None:
            while True:
                await asyncio.sleep(self.settings.upload_idle_timeout_seconds / 2)
                async with self.db.write() as tx:
                    await self.store.update(tx, image_id, self.store.table.c.status == "saving", updated_at=now())

        task = asyncio.create_task(show())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def stage(self, ctx: Context, image_id: str, body: AsyncIterator[bytes], content_length: int | None) -> None:
        """Take in a content that a later import examines."""
        image = await self._take(ctx, image_id, "uploading")
        staged = self.files.staging_path_of(image_id)
        try:
            self.intake(image)
            await receive(body, staged, None, self.settings.upload_idle_timeout_seconds, announced_bytes=content_length)
            await self.locations.note(image_id, self.locations.hosts.own, STAGED)
        except BaseException:
            await self.files.delete(image_id)
            await self.requeue(image_id, "uploading")
            raise

    async def complete(self, image: Image, facts: Facts, *, holder: str, from_status: str) -> None:
        """Spread the examined file, which `holder` has, and make the image active."""
        assert image.disk_format is not None
        await self.locations.spread(image.id, image.disk_format, facts.size, facts.os_hash_value, holder)
        table = self.store.table.c
        async with self.db.write() as tx:
            values = msgspec.structs.asdict(facts)
            done = await self.store.update(tx, image.id, table.status == from_status, status="active", updated_at=now(), **values)
            if not done:
                await self.locations.store.remove_all(tx, image.id)
        if not done:
            # Deleted while its bytes came in.
            await self.locations.remove(image.id)
            raise ImageNotFound(image_id=image.id)

    async def requeue(self, image_id: str, from_status: str) -> None:
        async with self.db.write() as tx:
            if await self.store.update(
                tx, image_id, self.store.table.c.status == from_status, status="queued", size=None, updated_at=now()
            ):
                await self.locations.store.remove_all(tx, image_id)

    async def _find(self, image_id: str) -> Image:
        async with self.db.read() as tx:
            image = await self.store.get(tx, image_id)
        if image is None:
            raise ImageNotFound(image_id=image_id)
        return image

    async def take_sent(self, image_id: str, body: AsyncIterator[bytes], content_length: int | None) -> None:
        """What a host brings for a waiting image; it is there already after a first run. As `upload`."""
        if (image := await self._find(image_id)).status == "active":
            return
        await self._reserve(image_id)
        await self._receive(image, body, content_length)

    async def _reserve(self, image_id: str) -> None:
        """A queued image, or one of which an earlier run died, is "saving" from now on."""
        table = self.store.table.c
        async with self.db.write() as tx:
            await self.store.update(tx, image_id, table.status == "queued", status="saving", updated_at=now())

    async def take_file(self, image_id: str, source: Path) -> None:
        """Make a file of this host the content of a queued (or half saved) image; done already when the image is active."""
        if (image := await self._find(image_id)).status == "active":
            return
        await self._reserve(image_id)
        async with self._alive(image_id):
            if not source.exists() and self.files.path_of(image_id).exists():
                source = self.files.path_of(image_id)
            facts = await examine(source, self.intake(image))
            await self.files.move_in(source, image_id)
            await self.complete(image, facts, holder=self.locations.hosts.own, from_status="saving")

    async def take_staged(self, image_id: str, host: str) -> None:
        """The import's end: have its host examine what is staged, and make it the content; done already when the image is active."""
        image = await self._find(image_id)
        if image.status == "active":
            return
        self.intake(image)
        message = TakeStaged(image_id=image_id, disk_format=image.disk_format or "", container_format=image.container_format or "")
        facts: Facts = await self.cloud.bus.call(agent_topic(host), message, timeout_seconds=self.settings.transfer_timeout_seconds)
        await self.complete(image, facts, holder=host, from_status="importing")

    async def import_failed(self, image_id: str, reason: str) -> None:
        """Queue the image again and tell its owner why."""
        async with self.db.write() as tx:
            image = await self.store.get(tx, image_id, lock=True)
            if image is not None and image.status == "importing":
                told = {**image.properties, "os_glance_failed_import": "file", "os_glance_import_failure": reason}
                await self.store.update(tx, image_id, status="queued", properties=told, updated_at=now())
                await self.locations.store.remove_all(tx, image_id)

    async def download(self, ctx: Context, image_id: str, asked: Range | None) -> Content | None:
        """The content, or of it the bytes from the first to the last asked for; None while there is none."""
        async with self.db.read() as tx:
            image = await self.access.visible(tx, ctx, image_id)
        if image.status == "deactivated" and not ctx.is_admin:
            raise ImageDeactivated
        return self._content(image, asked)

    async def fetch(self, image_id: str, asked: Range | None) -> Content:
        """As `download`, for a host that has leave to fetch it. ImageStatusConflict while there is none."""
        image = await self._find(image_id)
        content = self._content(image, asked)
        if content is None:
            raise ImageStatusConflict(image_id=image_id, found=image.status, wanted="active")
        return content

    def _content(self, image: Image, asked: Range | None) -> Content | None:
        if image.status not in ("active", "deactivated") or image.size is None:
            return None
        if asked is None:
            return Content(self.locations.read(image.id, image.size), image.size, image)
        first, last = self._bounds(asked, image.size)
        length = last - first + 1
        return Content(self.locations.read(image.id, image.size, first, length), length, image, f"bytes {first}-{last}/{image.size}")

    async def fetch_here(self, image_id: str, asked: Range | None) -> Content:
        """The file of this very host, also of an image that is only being spread. ImageNotFound."""
        image = await self._find(image_id)
        path = self.files.path_of(image_id)
        if self.locations.hosts.own not in await self.locations.hosts_of(image_id, WHOLE) or not path.exists():
            raise ImageNotFound(image_id=image_id)
        size = path.stat().st_size
        if asked is None:
            return Content(read_file(path), size, image)
        first, last = self._bounds(asked, size)
        return Content(read_file(path, first, last - first + 1), last - first + 1, image, f"bytes {first}-{last}/{size}")

    @staticmethod
    def _bounds(asked: Range, size: int) -> tuple[int, int]:
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
