"""The image service's door for other services."""

from collections.abc import Mapping

import msgspec
from litestar.datastructures import MultiDict

from cloudd.image.domain.host import Hosts
from cloudd.image.domain.image import Images, ImageSpec
from cloudd.image.domain.listing import parse_listing
from cloudd.image.domain.location import Locations
from cloudd.image.domain.ticket import Tickets
from cloudd.image.domain.upload import Uploads
from cloudd.image.drivers.file import ImageFiles
from cloudd.image.errors import ImageDeactivated, ImageExists, ImageNotFound, ImageStatusConflict
from cloudd.image.settings import ImageSettings
from cloudd.image.store.image import Image
from cloudd.image.transfer import ImageSource, ImageTarget
from cloudd.kit.auth import Context, system_context
from cloudd.kit.paging import Page
from cloudd.kit.service import Cloud

__all__ = ["Image", "ImageClient", "ImageFile", "ImageSource", "ImageTarget"]


class ImageFile(msgspec.Struct, frozen=True):
    """An active image's file. `virtual_size_bytes` is the disk's size as a guest sees it."""

    disk_format: str
    size_bytes: int
    virtual_size_bytes: int
    sha512: str


class ImageClient:
    def __init__(self, cloud: Cloud) -> None:
        self.files = ImageFiles(cloud.settings.section(ImageSettings).directory)
        self.hosts = Hosts(cloud)
        self.tickets = Tickets(cloud)
        self.locations = Locations(cloud, self.files, self.hosts, self.tickets)
        self.images = Images(cloud, self.locations)
        self.uploads = Uploads(cloud, self.files, self.locations)

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
        return ImageFile(image.disk_format, image.size, image.virtual_size, image.os_hash_value or "")

    async def source_of(self, image_id: str, host: str | None) -> ImageSource:
        """How a host gets its bytes: a file where it keeps images itself, and an address for some time. As `file_of`."""
        file = await self.file_of(image_id)
        holders = await self.locations.hosts_of(image_id)
        is_near = host in holders or (not holders and host == self.hosts.own)
        path = str(self.files.path_of(image_id)) if is_near else ""
        return ImageSource(image_id, path, file.disk_format, file.size_bytes, file.sha512, self.tickets.url("read", image_id))

    def target_of(self, image_id: str, host: str | None) -> ImageTarget:
        """Where a host puts what shall be the content of a waiting image; `fill` is called afterwards."""
        path = self.staging_path_of(image_id) if host == self.hosts.own else ""
        return ImageTarget(image_id, self.tickets.url("write", image_id), path)

    def staging_path_of(self, image_id: str) -> str:
        """Where to write a file that becomes this image's content: from here it is moved in by a rename."""
        return str(self.files.staging_path_of(image_id))

    async def is_active(self, image_id: str) -> bool:
        """Whether it has its content."""
        return (await self.images.show(system_context(), image_id)).status == "active"

    async def fill(self, image_id: str) -> None:
        """The host that `target_of` was for has done its part: the image has its content after this, done already is fine.

        ContentMismatch, UnsafeContent.
        """
        if not await self.is_active(image_id):
            await self.uploads.take_file(image_id, self.files.staging_path_of(image_id))

    async def remove_host(self, name: str) -> None:
        """A host keeps images no longer; its agent is stopped before. HostUnknown."""
        await self.hosts.remove(name)

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

    async def delete(self, ctx: Context, image_id: str) -> None:
        """Gone already is fine. ImageProtected, ImageForbidden."""
        try:
            await self.images.delete(ctx, image_id)
        except ImageNotFound:
            return

    async def discard(self, image_id: str) -> None:
        """Remove an image that never got its content, protected or not; gone already is fine."""
        await self.images.discard(image_id)
