"""The image service's door for other services."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from litestar.datastructures import MultiDict

from cloudd.image.domain.image import Images, ImageSpec
from cloudd.image.domain.listing import parse_listing
from cloudd.image.domain.upload import Uploads
from cloudd.image.drivers.file import ImageFiles
from cloudd.image.errors import ImageDeactivated, ImageExists, ImageNotFound, ImageStatusConflict
from cloudd.image.settings import ImageSettings
from cloudd.image.store.image import Image
from cloudd.kit.auth import Context, system_context
from cloudd.kit.paging import Page
from cloudd.kit.service import Cloud

__all__ = ["Image", "ImageClient", "ImageFile"]


class ImageFile(msgspec.Struct, frozen=True):
    """An active image's file on this host. `virtual_size_bytes` is the disk's size as a guest sees it."""

    path: str
    disk_format: str
    size_bytes: int
    virtual_size_bytes: int
    sha512: str


class ImageClient:
    def __init__(self, cloud: Cloud) -> None:
        self.files = ImageFiles(cloud.settings.section(ImageSettings).directory)
        self.images = Images(cloud, self.files)
        self.uploads = Uploads(cloud, self.files)

    async def get(self, ctx: Context, image_id: str) -> Image:
        """The image as this caller may see it. ImageNotFound."""
        return await self.images.show(ctx, image_id)

    async def page(self, ctx: Context, page: Page, filters: Mapping[str, str]) -> list[Image]:
        """One page of the images this caller sees; the filters are those of the image list's query. BadRequest."""
        return await self.images.page(ctx, page, parse_listing(MultiDict(filters)))

    async def file_of(self, image_id: str) -> ImageFile:
        """ImageNotFound; ImageStatusConflict while it has no content, ImageDeactivated, or it is an archive rather than a disk."""
        image = await self.images.show(system_context(), image_id)
        if image.status == "deactivated":
            raise ImageDeactivated
        if image.status != "active" or image.disk_format is None or image.size is None or image.virtual_size is None:
            raise ImageStatusConflict(image_id=image_id, found=f"{image.status} ({image.container_format})", wanted="an active disk")
        path = str(self.files.path_of(image_id))
        return ImageFile(path, image.disk_format, image.size, image.virtual_size, image.os_hash_value or "")

    def staging_path_of(self, image_id: str) -> str:
        """Where to write a file that becomes this image's content: from here it is moved in by a rename."""
        self.files.prepare()
        return str(self.files.staging_path_of(image_id))

    async def create_queued(
        self,
        ctx: Context,
        name: str,
        disk_format: str,
        properties: dict[str, str] | None = None,
        min_disk_gib: int = 0,
        min_ram_mib: int = 0,
        *,
        image_id: str,
        container_format: str = "bare",
        visibility: str = "private",
        protected: bool = False,
    ) -> Image:
        """An image without content, owned by ctx's project; it is there already after a first run."""
        given = {
            "id": image_id, "name": name, "disk_format": disk_format, "container_format": container_format, "properties": properties or {},
            "min_disk": min_disk_gib, "min_ram": min_ram_mib, "visibility": visibility, "protected": protected,
        }  # fmt: skip
        try:
            return await self.images.create(ctx, msgspec.convert(given, ImageSpec))
        except ImageExists:
            return await self.images.show(system_context(), image_id)

    async def fill_from_file(self, image_id: str, path: str) -> Image:
        """Examine the file, move it in and make the queued image active; done already is fine. ContentMismatch, UnsafeContent."""
        await self.uploads.take_file(image_id, Path(path))
        return await self.images.show(system_context(), image_id)

    async def create_from_file(
        self,
        ctx: Context,
        name: str,
        path: str,
        disk_format: str,
        properties: dict[str, str] | None = None,
        min_disk_gib: int = 0,
        min_ram_mib: int = 0,
        *,
        image_id: str,
    ) -> Image:
        """create_queued and fill_from_file in one."""
        await self.create_queued(ctx, name, disk_format, properties, min_disk_gib, min_ram_mib, image_id=image_id)
        return await self.fill_from_file(image_id, path)

    async def delete(self, ctx: Context, image_id: str) -> None:
        """Gone already is fine. ImageProtected, ImageForbidden."""
        try:
            await self.images.delete(ctx, image_id)
        except ImageNotFound:
            return

    async def discard(self, image_id: str) -> None:
        """Remove an image that never got its content, protected or not; gone already is fine."""
        await self.images.discard(image_id)
