"""Servers as users find, read and rename them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from cloudd.compute.domain import server_state
from cloudd.compute.domain.quota import Quotas
from cloudd.compute.errors import MetadataKeyNotFound, QuotaExceeded, ServerNotFound, TagNotFound
from cloudd.compute.store.block_device import BlockDevice, BlockDeviceStore
from cloudd.compute.store.server import Server, ServerStore
from cloudd.compute.store.server_filter import ServerFilter, conditions
from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.errors import BadRequest
from cloudd.kit.paging import Page
from cloudd.kit.service import Cloud

MOST_TAGS = 50


class Servers:
    """A server of another project does not exist."""

    def __init__(self, cloud: Cloud, quotas: Quotas) -> None:
        self.db = cloud.db
        self.quotas = quotas
        self.store = ServerStore()
        self.devices = BlockDeviceStore()

    async def get(self, ctx: Context, server_id: str) -> Server:
        """ServerNotFound."""
        async with self.db.read() as tx:
            return await self.of(tx, ctx, server_id)

    async def of(self, tx: Transaction, ctx: Context, server_id: str, *, lock: bool = False) -> Server:
        """The same within a transaction; `lock` holds the row."""
        server = await self.store.get(tx, server_id, lock=lock)
        if server is None or server.deleted_at is not None or not ctx.may_see(server.project_id):
            raise ServerNotFound(server_id=server_id)
        return server

    async def page(self, ctx: Context, page: Page, wanted: ServerFilter) -> list[Server]:
        """The caller's servers; an administrator's may be everybody's."""
        if not (ctx.is_admin and wanted.all_projects):
            wanted.project_id = ctx.project
        async with self.db.read() as tx:
            return await self.store.page(tx, page, *conditions(wanted))

    async def disks(self, server_ids: Sequence[str]) -> dict[str, list[BlockDevice]]:
        """Each server's disks."""
        async with self.db.read() as tx:
            return await self.devices.of(tx, server_ids)

    async def update(self, ctx: Context, server_id: str, values: dict[str, Any]) -> Server:
        """Rename, describe, give access addresses. It does not touch the guest."""
        async with self.db.write() as tx:
            server = await self.of(tx, ctx, server_id, lock=True)
            values["updated_at"] = now()
            await self.store.update(tx, server_id, **values)
        return msgspec.structs.replace(server, **values)

    async def merge_metadata(self, ctx: Context, server_id: str, items: dict[str, str]) -> dict[str, str]:
        """Add or change some items."""
        return await self._metadata(ctx, server_id, lambda old: {**old, **items})

    async def replace_metadata(self, ctx: Context, server_id: str, items: dict[str, str]) -> dict[str, str]:
        """These and no others."""
        return await self._metadata(ctx, server_id, lambda old: items)

    async def delete_metadata(self, ctx: Context, server_id: str, key: str) -> None:
        """MetadataKeyNotFound."""

        def without(old: dict[str, str]) -> dict[str, str]:
            if key not in old:
                raise MetadataKeyNotFound(key=key)
            return {name: value for name, value in old.items() if name != key}

        await self._metadata(ctx, server_id, without)

    async def _metadata(self, ctx: Context, server_id: str, change: Any) -> dict[str, str]:
        async with self.db.write() as tx:
            server = await self.of(tx, ctx, server_id, lock=True)
            items: dict[str, str] = change(server.metadata)
            limit = (await self.quotas.limits(tx, server.project_id))["metadata_items"]
            if 0 <= limit < len(items):
                raise QuotaExceeded(resource="metadata_items", requested=len(items), used=len(server.metadata), limit=limit)
            await self.store.update(tx, server_id, metadata=items, updated_at=now())
        return items

    async def clear_password(self, ctx: Context, server_id: str) -> None:
        """Forget what the guest has deposited."""
        async with self.db.write() as tx:
            server = await self.of(tx, ctx, server_id, lock=True)
            await self.store.update(tx, server.id, sealed_password=None)

    async def set_tags(self, ctx: Context, server_id: str, tags: Sequence[str]) -> list[str]:
        """These and no others."""
        return await self._tags(ctx, server_id, lambda old: list(dict.fromkeys(tags)))

    async def add_tag(self, ctx: Context, server_id: str, tag: str) -> bool:
        """Whether it is new."""
        before = (await self.get(ctx, server_id)).tags
        await self._tags(ctx, server_id, lambda old: [*old, tag] if tag not in old else old)
        return tag not in before

    async def remove_tag(self, ctx: Context, server_id: str, tag: str) -> None:
        """TagNotFound."""

        def without(old: list[str]) -> list[str]:
            if tag not in old:
                raise TagNotFound(server_id=server_id, tag=tag)
            return [name for name in old if name != tag]

        await self._tags(ctx, server_id, without)

    async def _tags(self, ctx: Context, server_id: str, change: Any) -> list[str]:
        async with self.db.write() as tx:
            server = await self.of(tx, ctx, server_id, lock=True)
            tags: list[str] = change(server.tags)
            if len(tags) > MOST_TAGS:
                raise BadRequest(reason=f"The number of tags exceeded the per-server limit {MOST_TAGS}")
            await self.store.update(tx, server_id, tags=tags)
        return tags

    async def reset_state(self, ctx: Context, server_id: str, *, active: bool) -> None:
        """An administrator's word on what state a server is in."""
        state = server_state.ACTIVE if active else server_state.ERROR
        async with self.db.write() as tx:
            server = await self.of(tx, ctx, server_id, lock=True)
            await self.store.update(tx, server.id, vm_state=state, task_state=None, updated_at=now())

    async def lock(self, ctx: Context, server_id: str, reason: str | None) -> None:
        """Only its owner's and administrators' unlock helps; actions of others, and of the owner, are refused meanwhile."""
        async with self.db.write() as tx:
            server = await self.of(tx, ctx, server_id, lock=True)
            locked_by = "owner" if ctx.project_id == server.project_id else "admin"
            await self.store.update(tx, server.id, locked_by=server.locked_by or locked_by, locked_reason=reason)

    async def unlock(self, ctx: Context, server_id: str) -> None:
        """Free it again."""
        async with self.db.write() as tx:
            server = await self.of(tx, ctx, server_id, lock=True)
            await self.store.update(tx, server.id, locked_by=None, locked_reason=None)
