"""Who sees an image and who may change it."""

from cloudd.image.errors import ImageForbidden, ImageNotFound
from cloudd.image.store.image import Image, ImageStore
from cloudd.image.store.member import MemberStore
from cloudd.kit.auth import Context
from cloudd.kit.db import Transaction


class Access:
    def __init__(self) -> None:
        self.images = ImageStore()
        self.members = MemberStore()

    async def visible(self, tx: Transaction, ctx: Context, image_id: str, *, lock: bool = False) -> Image:
        """The image, if it exists for this caller: his own, public, community's, or shared with his project."""
        image = await self.images.get(tx, image_id, lock=lock)
        if image is None or not (
            ctx.may_see(image.owner) or image.visibility in ("public", "community") or await self._is_member(tx, ctx, image)
        ):
            raise ImageNotFound(image_id=image_id)
        return image

    async def owned(self, tx: Transaction, ctx: Context, image_id: str) -> Image:
        """The image, held for a change by its owner or an administrator."""
        image = await self.visible(tx, ctx, image_id, lock=True)
        if not ctx.may_see(image.owner):
            raise ImageForbidden(image_id=image_id)
        return image

    async def _is_member(self, tx: Transaction, ctx: Context, image: Image) -> bool:
        table = self.members.table.c
        if image.visibility != "shared" or ctx.project_id is None:
            return False
        return bool(await self.members.count(tx, table.image_id == image.id, table.member_id == ctx.project_id))
