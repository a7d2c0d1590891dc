"""Images: made, shown, listed, changed and deleted by the rules of ownership and visibility."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloudd.image.domain.access import Access
from cloudd.image.domain.attribute import check_formats, check_properties
from cloudd.image.domain.location import Locations
from cloudd.image.errors import (
    FormatFixed,
    ImageExists,
    ImageProtected,
    ImageStatusConflict,
    OwnerNeedsAdmin,
    PublicNeedsAdmin,
    TagNotFound,
)
from cloudd.image.store.image import Image, shared_with
from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.errors import BadRequest
from cloudd.kit.paging import Page
from cloudd.kit.service import Cloud

Visibility = Literal["public", "private", "shared", "community"]
Tag = Annotated[str, msgspec.Meta(max_length=255)]
Amount = Annotated[int, msgspec.Meta(ge=0, le=2147483647)]


class ImageSpec(msgspec.Struct, kw_only=True):
    """What a client may say of a new image; `properties` are its other keys."""

    id: UUID | None = None
    name: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    visibility: Visibility = "shared"
    owner: str | None = None
    disk_format: str | None = None
    container_format: str | None = None
    min_disk: Amount = 0
    min_ram: Amount = 0
    protected: bool = False
    os_hidden: bool = False
    tags: Annotated[list[Tag], msgspec.Meta(max_length=128)] = []
    properties: dict[str, str] = {}


class Listing(msgspec.Struct, kw_only=True):
    """What of the images a caller wants to see."""

    visibility: str | None = None
    member_status: str = "accepted"
    os_hidden: bool = False
    where: list[Any] = []


class Images:
    def __init__(self, cloud: Cloud, locations: Locations) -> None:
        self.db = cloud.db
        self.locations = locations
        self.access = Access()
        self.store = self.access.images
        self.members = self.access.members

    async def create(self, ctx: Context, spec: ImageSpec) -> Image:
        owner = spec.owner or ctx.project
        if not ctx.may_see(owner):
            raise OwnerNeedsAdmin(owner=owner)
        self.check_visibility(ctx, spec.visibility)
        check_formats(spec.disk_format, spec.container_format)
        check_properties(spec.properties)
        moment = now()
        given = {field: getattr(spec, field) for field in ("name", "visibility", "disk_format", "container_format", "min_disk", "min_ram")}
        image = Image(
            **given, id=str(spec.id or uuid4()), status="queued", owner=owner, protected=spec.protected, os_hidden=spec.os_hidden,
            tags=list(dict.fromkeys(spec.tags)), properties=spec.properties, created_at=moment, updated_at=moment,
        )  # fmt: skip
        try:
            async with self.db.write() as tx:
                await self.store.insert(tx, image)
        except IntegrityError:
            raise ImageExists(image_id=image.id) from None
        return image

    @staticmethod
    def check_visibility(ctx: Context, visibility: str) -> None:
        if visibility == "public" and not ctx.is_admin:
            raise PublicNeedsAdmin

    async def show(self, ctx: Context, image_id: str) -> Image:
        async with self.db.read() as tx:
            return await self.access.visible(tx, ctx, image_id)

    async def page(self, ctx: Context, page: Page, listing: Listing) -> list[Image]:
        table = self.store.table.c
        where = [table.os_hidden == listing.os_hidden, self._admitted(ctx, listing), *listing.where]
        async with self.db.read() as tx:
            return await self.store.page(tx, page, *where)

    def _admitted(self, ctx: Context, listing: Listing) -> sa.ColumnElement[bool]:
        """Community images are everybody's, but in nobody's list unless asked for."""
        table, visibility = self.store.table.c, listing.visibility
        own = table.owner == (ctx.project_id or "")
        shared = shared_with(ctx.project_id or "", listing.member_status)
        if visibility == "shared":
            return sa.and_(table.visibility == "shared", sa.true() if ctx.is_admin else sa.or_(own, shared))
        if visibility in ("public", "community"):
            return table.visibility == visibility
        if visibility == "private":
            return sa.and_(table.visibility == "private", sa.true() if ctx.is_admin else own)
        if ctx.is_admin:
            return sa.true()
        seen = sa.or_(own, table.visibility == "public", shared)
        return sa.or_(seen, table.visibility == "community") if visibility == "all" else seen

    async def update(self, ctx: Context, image_id: str, changes: Mapping[str, Any], properties: Mapping[str, str | None]) -> Image:
        """Set columns, and properties (None removes one)."""
        async with self.db.write() as tx:
            image = await self.access.owned(tx, ctx, image_id)
            if "visibility" in changes and changes["visibility"] != image.visibility:
                self.check_visibility(ctx, changes["visibility"])
            if changes.get("owner", image.owner) != image.owner and not ctx.is_admin:
                raise OwnerNeedsAdmin(owner=changes["owner"])
            if not {"disk_format", "container_format"}.isdisjoint(changes):
                self._check_queued(image)
                check_formats(changes.get("disk_format", image.disk_format), changes.get("container_format", image.container_format))
            merged = {key: value for key, value in {**image.properties, **properties}.items() if value is not None}
            check_properties(merged)
            await self.store.update(tx, image_id, **changes, properties=merged, updated_at=now())
            return await self.access.owned(tx, ctx, image_id)

    @staticmethod
    def _check_queued(image: Image) -> None:
        if image.status != "queued":
            raise FormatFixed(attribute="disk_format or container_format")

    async def delete(self, ctx: Context, image_id: str) -> None:
        async with self.db.write() as tx:
            image = await self.access.owned(tx, ctx, image_id)
            if image.protected:
                raise ImageProtected(image_id=image_id)
            await self.members.delete_where(tx, self.members.table.c.image_id == image_id)
            await self.locations.store.remove_all(tx, image_id)
            await self.store.delete(tx, image_id)
        # A crash just before this line leaves a file without an image; the reconciler removes it.
        await self.locations.remove(image_id)

    async def discard(self, image_id: str) -> None:
        """Forget an image whose content could not be made."""
        async with self.db.write() as tx:
            await self.store.delete(tx, image_id, self.store.table.c.status != "active")
            gone = await self.store.get(tx, image_id) is None
            if gone:
                await self.locations.store.remove_all(tx, image_id)
        if gone:
            await self.locations.remove(image_id)

    async def set_active(self, ctx: Context, image_id: str, *, active: bool) -> None:
        """Deactivate or reactivate: an image that is so already stays so."""
        table = self.store.table.c
        async with self.db.write() as tx:
            image = await self.access.owned(tx, ctx, image_id)
            target = "active" if active else "deactivated"
            if image.status not in ("active", "deactivated"):
                raise ImageStatusConflict(image_id=image_id, found=image.status, wanted="active or deactivated")
            await self.store.update(tx, image_id, table.status == image.status, status=target, updated_at=now())

    async def add_tag(self, ctx: Context, image_id: str, tag: str) -> None:
        async with self.db.write() as tx:
            image = await self.access.owned(tx, ctx, image_id)
            if len(tag) > 255 or (tag not in image.tags and len(image.tags) >= 128):
                raise BadRequest(reason="An image has at most 128 tags of at most 255 characters.")
            if tag not in image.tags:
                await self.store.update(tx, image_id, tags=[*image.tags, tag], updated_at=now())

    async def remove_tag(self, ctx: Context, image_id: str, tag: str) -> None:
        async with self.db.write() as tx:
            image = await self.access.owned(tx, ctx, image_id)
            if tag not in image.tags:
                raise TagNotFound(tag=tag)
            await self.store.update(tx, image_id, tags=[other for other in image.tags if other != tag], updated_at=now())
