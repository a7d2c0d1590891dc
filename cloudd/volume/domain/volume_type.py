"""Volume types: named kinds of volumes, public or for some projects only."""

from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.service import Cloud
from cloudd.volume.errors import ExtraSpecNotFound, TypeAccessConflict, TypeExists, TypeInUse, TypeNotFound
from cloudd.volume.store.volume import VolumeStore
from cloudd.volume.store.volume_type import TypeAccess, TypeAccessStore, VolumeType, VolumeTypeStore

DEFAULT = "__DEFAULT__"
MULTIATTACH = "multiattach"


def allows_multiattach(kind: VolumeType) -> bool:
    return kind.extra_specs.get(MULTIATTACH) == "<is> True"


class VolumeTypes:
    def __init__(self, cloud: Cloud) -> None:
        self.db = cloud.db
        self.store = VolumeTypeStore()
        self.access = TypeAccessStore()
        self.volumes = VolumeStore()

    async def ensure_default(self) -> None:
        """There is always a type for those who name none."""
        async with self.db.read() as tx:
            if await self.store.count(tx, self.store.table.c.name == DEFAULT):
                return
        try:
            await self.create(DEFAULT, "Default Volume Type", is_public=True, extra_specs={})
        except TypeExists:
            return  # made by another process meanwhile

    async def resolve(self, tx: Transaction, ctx: Context, key: str | None) -> VolumeType:
        """A type by id or name, as far as this caller may use it; the default without a key."""
        table = self.store.table.c
        found = await self.store.find(tx, sa.or_(table.id == (key or DEFAULT), table.name == (key or DEFAULT)))
        for kind in found:
            if kind.is_public or ctx.is_admin or await self._is_granted(tx, kind.id, ctx.project_id):
                return kind
        raise TypeNotFound(volume_type=key or DEFAULT)

    async def show(self, ctx: Context, key: str | None) -> VolumeType:
        async with self.db.read() as tx:
            return await self.resolve(tx, ctx, key)

    async def find(self, ctx: Context, is_public: bool | None, extra_specs: dict[str, str]) -> list[VolumeType]:
        """Types by name; `is_public` None is both kinds, for administrators."""
        table = self.store.table.c
        async with self.db.read() as tx:
            found = await self.store.find(tx, order=table.name)
            if not ctx.is_admin:
                granted = {row.type_id for row in await self.access.find(tx, self.access.table.c.project_id == (ctx.project_id or ""))}
                found = [kind for kind in found if kind.is_public or kind.id in granted]
        return [
            kind
            for kind in found
            if (not ctx.is_admin or is_public is None or kind.is_public == is_public) and extra_specs.items() <= kind.extra_specs.items()
        ]

    async def names(self) -> dict[str, str]:
        """Each type's name by its id."""
        async with self.db.read() as tx:
            return {kind.id: kind.name for kind in await self.store.find(tx)}

    async def create(self, name: str, description: str | None, *, is_public: bool, extra_specs: dict[str, str]) -> VolumeType:
        kind = VolumeType(
            id=str(uuid4()), name=name, description=description, is_public=is_public, extra_specs=extra_specs, created_at=now()
        )
        try:
            async with self.db.write() as tx:
                await self.store.insert(tx, kind)
        except IntegrityError:
            raise TypeExists(name=name) from None
        return kind

    async def update(self, ctx: Context, type_id: str, changes: dict[str, Any]) -> VolumeType:
        try:
            async with self.db.write() as tx:
                kind = await self.resolve(tx, ctx, type_id)
                await self.store.update(tx, kind.id, **changes)
                return await self.resolve(tx, ctx, kind.id)
        except IntegrityError:
            raise TypeExists(name=changes.get("name")) from None

    async def delete(self, ctx: Context, type_id: str) -> None:
        async with self.db.write() as tx:
            kind = await self.resolve(tx, ctx, type_id)
            if kind.name == DEFAULT or await self.volumes.count(tx, self.volumes.table.c.type_id == kind.id):
                raise TypeInUse(type_id=type_id)
            await self.access.delete_where(tx, self.access.table.c.type_id == kind.id)
            await self.store.delete(tx, kind.id)

    async def set_extra_specs(self, ctx: Context, type_id: str, specs: dict[str, str]) -> None:
        async with self.db.write() as tx:
            kind = await self.resolve(tx, ctx, type_id)
            await self.store.update(tx, kind.id, extra_specs={**kind.extra_specs, **specs})

    async def remove_extra_spec(self, ctx: Context, type_id: str, key: str) -> None:
        async with self.db.write() as tx:
            kind = await self.resolve(tx, ctx, type_id)
            if key not in kind.extra_specs:
                raise ExtraSpecNotFound(type_id=type_id, key=key)
            await self.store.update(tx, kind.id, extra_specs={name: value for name, value in kind.extra_specs.items() if name != key})

    async def projects(self, ctx: Context, type_id: str) -> list[TypeAccess]:
        """Who may use a private type. TypeNotFound for a public one, as upstream says it."""
        async with self.db.read() as tx:
            kind = await self.resolve(tx, ctx, type_id)
            if kind.is_public:
                raise TypeNotFound(volume_type=type_id)
            return await self.access.find(tx, self.access.table.c.type_id == kind.id)

    async def grant(self, ctx: Context, type_id: str, project_id: str) -> None:
        try:
            async with self.db.write() as tx:
                kind = await self.resolve(tx, ctx, type_id)
                if kind.is_public:
                    raise TypeAccessConflict(type_id=type_id, project_id=project_id, problem="is needless: the type is public")
                await self.access.insert(tx, TypeAccess(kind.id, project_id))
        except IntegrityError:
            raise TypeAccessConflict(type_id=type_id, project_id=project_id, problem="already exists") from None

    async def revoke(self, ctx: Context, type_id: str, project_id: str) -> None:
        table = self.access.table.c
        async with self.db.write() as tx:
            kind = await self.resolve(tx, ctx, type_id)
            if not await self.access.delete_where(tx, table.type_id == kind.id, table.project_id == project_id):
                raise TypeNotFound(volume_type=f"{type_id} for project {project_id}")

    async def _is_granted(self, tx: Transaction, type_id: str, project_id: str | None) -> bool:
        table = self.access.table.c
        return bool(await self.access.count(tx, table.type_id == type_id, table.project_id == (project_id or "")))
