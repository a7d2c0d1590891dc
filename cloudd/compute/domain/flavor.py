"""Flavors and who may use them."""

import uuid
from typing import Any

import msgspec
from sqlalchemy.exc import IntegrityError

from cloudd.compute.errors import ExtraSpecNotFound, FlavorAccessNotFound, FlavorAccessTaken, FlavorNotFound, FlavorTaken
from cloudd.compute.store.flavor import Flavor, FlavorAccess, FlavorAccessStore, FlavorStore, flavor_table
from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.errors import Conflict
from cloudd.kit.paging import Page
from cloudd.kit.service import Cloud


class Flavors:
    """A private flavor exists only for administrators and the projects that were given it."""

    def __init__(self, cloud: Cloud) -> None:
        self.db = cloud.db
        self.store = FlavorStore()
        self.access = FlavorAccessStore()

    async def get(self, ctx: Context, flavor_id: str) -> Flavor:
        """FlavorNotFound."""
        visible = [] if ctx.is_admin else [self.store.visible_to(ctx.project_id)]
        async with self.db.read() as tx:
            flavor = await self.store.get(tx, flavor_id, *visible)
        if flavor is None:
            raise FlavorNotFound(flavor_id=flavor_id)
        return flavor

    async def page(
        self, ctx: Context, page: Page, *, is_public: bool | None = True, min_disk_gib: int = 0, min_memory_mib: int = 0
    ) -> list[Flavor]:
        """`is_public` None: all that the caller may see; only an administrator chooses."""
        columns = flavor_table.c
        where = [columns.disk_gib >= min_disk_gib, columns.memory_mib >= min_memory_mib]
        if not ctx.is_admin:
            where += [self.store.visible_to(ctx.project_id), columns.is_disabled.is_(False)]
        elif is_public is not None:
            where.append(columns.is_public.is_(is_public))
        async with self.db.read() as tx:
            return await self.store.page(tx, page, *where)

    async def create(self, values: dict[str, Any]) -> Flavor:
        """FlavorTaken. Without an id, or with "auto", one is chosen."""
        if values.get("id") in (None, "", "auto"):
            values["id"] = str(uuid.uuid4())
        flavor = Flavor(**values, created_at=now())
        try:
            async with self.db.write() as tx:
                if await self.store.get(tx, flavor.id):
                    raise FlavorTaken(key="ID", value=flavor.id)
                await self.store.insert(tx, flavor)
        except IntegrityError:
            raise FlavorTaken(key="name", value=flavor.name) from None
        return flavor

    async def describe(self, flavor_id: str, description: str | None) -> Flavor:
        """Change the description, the one thing that may change."""
        flavor = await self._update(flavor_id, description=description)
        return msgspec.structs.replace(flavor, description=description)

    async def delete(self, flavor_id: str) -> None:
        """Servers keep their copy."""
        async with self.db.write() as tx:
            await self.access.remove(tx, flavor_id)
            if not await self.store.delete(tx, flavor_id):
                raise FlavorNotFound(flavor_id=flavor_id)

    async def set_extra_specs(self, flavor_id: str, extra_specs: dict[str, str]) -> dict[str, str]:
        """Add or change some; the result is those given."""
        async with self.db.write() as tx:
            flavor = await self.store.get(tx, flavor_id, lock=True)
            if flavor is None:
                raise FlavorNotFound(flavor_id=flavor_id)
            await self.store.update(tx, flavor_id, extra_specs={**flavor.extra_specs, **extra_specs})
        return extra_specs

    async def delete_extra_spec(self, flavor_id: str, key: str) -> None:
        """ExtraSpecNotFound."""
        async with self.db.write() as tx:
            flavor = await self.store.get(tx, flavor_id, lock=True)
            if flavor is None:
                raise FlavorNotFound(flavor_id=flavor_id)
            if key not in flavor.extra_specs:
                raise ExtraSpecNotFound(flavor_id=flavor_id, key=key)
            del flavor.extra_specs[key]
            await self.store.update(tx, flavor_id, extra_specs=flavor.extra_specs)

    async def access_of(self, ctx: Context, flavor_id: str) -> list[FlavorAccess]:
        """Who was given a private flavor; a public one has no list (404 as upstream)."""
        flavor = await self.get(ctx, flavor_id)
        if flavor.is_public:
            raise FlavorNotFound(flavor_id=flavor_id)
        async with self.db.read() as tx:
            return await self.access.of(tx, flavor_id)

    async def grant(self, ctx: Context, flavor_id: str, project_id: str) -> list[FlavorAccess]:
        """FlavorAccessTaken; a public flavor needs no grants."""
        if (await self.get(ctx, flavor_id)).is_public:
            raise Conflict(reason="Can not add access to a public flavor.")
        try:
            async with self.db.write() as tx:
                await self.access.insert(tx, FlavorAccess(id=str(uuid.uuid4()), flavor_id=flavor_id, project_id=project_id))
        except IntegrityError:
            raise FlavorAccessTaken(flavor_id=flavor_id, project_id=project_id) from None
        return await self.access_of(ctx, flavor_id)

    async def revoke(self, ctx: Context, flavor_id: str, project_id: str) -> list[FlavorAccess]:
        """FlavorAccessNotFound."""
        if (await self.get(ctx, flavor_id)).is_public:
            raise Conflict(reason="Can not remove access from a public flavor.")
        async with self.db.write() as tx:
            if not await self.access.remove(tx, flavor_id, project_id):
                raise FlavorAccessNotFound(flavor_id=flavor_id, project_id=project_id)
        return await self.access_of(ctx, flavor_id)

    async def _update(self, flavor_id: str, **values: Any) -> Flavor:
        async with self.db.write() as tx:
            flavor = await self.store.get(tx, flavor_id, lock=True)
            if flavor is None:
                raise FlavorNotFound(flavor_id=flavor_id)
            await self.store.update(tx, flavor_id, **values)
        return flavor
