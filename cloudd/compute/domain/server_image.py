"""The images servers are made from and turned into, by way of the image service."""

from collections.abc import Mapping
from typing import Any

import msgspec

from cloudd.compute.domain.work import CreateImageParams
from cloudd.image.client import Image, ImageClient, ImageSource
from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest, Condition
from cloudd.kit.paging import Page
from cloudd.kit.service import Cloud


class ImageFacts(msgspec.Struct, kw_only=True):
    """What compute needs to know of an image; sizes in GiB and MiB."""

    id: str
    name: str
    min_disk_gib: int
    min_memory_mib: int
    size_bytes: int
    properties: dict[str, Any]


class ServerImages:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    @property
    def images(self) -> ImageClient:
        return self.cloud.client(ImageClient)

    async def usable(self, ctx: Context, image_id: str) -> ImageFacts:
        """An image to make a server from. BadRequest where it is unknown or not ready."""
        try:
            image = await self.images.get(ctx, image_id)
        except Condition as error:
            if error.status == 404:
                raise BadRequest(reason=f"Invalid imageRef provided: {error.text}") from error
            raise
        if image.status != "active":
            raise BadRequest(reason=f"Image {image_id} is not active.")
        return ImageFacts(
            id=image.id,
            name=image.name or "",
            min_disk_gib=image.min_disk or 0,
            min_memory_mib=image.min_ram or 0,
            size_bytes=image.size or 0,
            properties=dict(image.properties),
        )

    async def show(self, ctx: Context, image_id: str) -> Image:
        """ImageNotFound."""
        return await self.images.get(ctx, image_id)

    async def page(self, ctx: Context, page: Page, filters: Mapping[str, str]) -> list[Image]:
        """One page of what this caller sees; filters as the image service names them. BadRequest."""
        return await self.images.page(ctx, page, filters)

    async def delete(self, ctx: Context, image_id: str) -> None:
        """ImageNotFound, ImageProtected, ImageForbidden."""
        await self.images.get(ctx, image_id)
        await self.images.delete(ctx, image_id)

    async def source(self, image_id: str, host: str | None) -> ImageSource:
        """Where a host finds its bytes."""
        return await self.images.source_of(image_id, host)

    async def queue(self, ctx: Context, params: CreateImageParams) -> None:
        """An image of the user's project that waits for its content. Idempotent."""
        properties = {key: str(value) for key, value in params.properties.items()}
        await self.images.create_queued(
            ctx, params.name, "qcow2", properties, params.min_disk_gib, params.min_memory_mib, image_id=params.image_id
        )
