"""Members of shared images: the owner invites, the member accepts or rejects."""

from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError

from cloudd.image.domain.access import Access
from cloudd.image.errors import MemberExists, MemberForbidden, MemberNotFound, NotShared
from cloudd.image.store.image import Image
from cloudd.image.store.member import Member
from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.service import Cloud


class Members:
    def __init__(self, cloud: Cloud) -> None:
        self.db = cloud.db
        self.access = Access()
        self.store = self.access.members

    async def list(self, ctx: Context, image_id: str) -> list[Member]:
        """All members for the owner; for a member itself alone."""
        async with self.db.read() as tx:
            image = await self._shared(tx, ctx, image_id)
            found = await self.store.find(tx, self.store.table.c.image_id == image_id, order=self.store.table.c.member_id)
        return [member for member in found if ctx.may_see(image.owner) or member.member_id == ctx.project_id]

    async def show(self, ctx: Context, image_id: str, member_id: str) -> Member:
        async with self.db.read() as tx:
            image = await self._shared(tx, ctx, image_id)
            member = await self._find(tx, image_id, member_id)
        if member is None or not (ctx.may_see(image.owner) or member_id == ctx.project_id):
            raise MemberNotFound(image_id=image_id, member_id=member_id)
        return member

    async def add(self, ctx: Context, image_id: str, member_id: str) -> Member:
        moment = now()
        member = Member(image_id, member_id, "pending", moment, moment)
        try:
            async with self.db.write() as tx:
                image = await self._shared(tx, ctx, image_id)
                if not ctx.may_see(image.owner):
                    raise MemberForbidden(action="create")
                await self.store.insert(tx, member)
        except IntegrityError:
            raise MemberExists(image_id=image_id, member_id=member_id) from None
        return member

    async def answer(self, ctx: Context, image_id: str, member_id: str, status: str) -> Member:
        """Accept, reject or postpone: the member's own choice."""
        async with self.db.write() as tx:
            await self._shared(tx, ctx, image_id)
            member = await self._find(tx, image_id, member_id)
            if member is None:
                raise MemberNotFound(image_id=image_id, member_id=member_id)
            if not ctx.is_admin and member_id != ctx.project_id:
                raise MemberForbidden(action="update")
            member.status, member.updated_at = status, now()
            await self.store.delete_where(tx, *self._key(image_id, member_id))
            await self.store.insert(tx, member)
        return member

    async def remove(self, ctx: Context, image_id: str, member_id: str) -> None:
        async with self.db.write() as tx:
            image = await self._shared(tx, ctx, image_id)
            if not ctx.may_see(image.owner):
                raise MemberForbidden(action="delete")
            if not await self.store.delete_where(tx, *self._key(image_id, member_id)):
                raise MemberNotFound(image_id=image_id, member_id=member_id)

    async def _shared(self, tx: Transaction, ctx: Context, image_id: str) -> Image:
        image = await self.access.visible(tx, ctx, image_id)
        if image.visibility != "shared":
            raise NotShared(image_id=image_id, visibility=image.visibility)
        return image

    async def _find(self, tx: Transaction, image_id: str, member_id: str) -> Member | None:
        found = await self.store.find(tx, *self._key(image_id, member_id))
        return found[0] if found else None

    def _key(self, image_id: str, member_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return self.store.table.c.image_id == image_id, self.store.table.c.member_id == member_id
