"""Attachments: a volume is reserved, attached to a server's host, and given back."""

from typing import Any

import msgspec
import sqlalchemy as sa

from cloudd.kit.auth import Context, system_context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.kit.errors import Condition
from cloudd.kit.paging import Page
from cloudd.kit.service import Cloud
from cloudd.volume.domain.volume import Volumes
from cloudd.volume.drivers.base import Connection
from cloudd.volume.errors import AttachmentNotFound, InvalidVolume
from cloudd.volume.messages import AttachVolume, DetachVolume, agent_topic
from cloudd.volume.store.attachment import Attachment, AttachmentStore
from cloudd.volume.store.volume import Volume


class NoData(Condition):
    code = "volume.volume.no_data"
    status = 400
    message = "Volume {volume_id} was never made on a host."


class Attachments:
    def __init__(self, cloud: Cloud, volumes: Volumes) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.volumes = volumes
        self.store = AttachmentStore()

    async def of_volumes(self, volume_ids: list[str]) -> dict[str, list[Attachment]]:
        """Attachments that a server uses, by volume."""
        found: dict[str, list[Attachment]] = {volume_id: [] for volume_id in volume_ids}
        async with self.db.read() as tx:
            for attachment in await self.store.find(tx, self.store.table.c.volume_id.in_(volume_ids), order=self.store.table.c.created_at):
                if attachment.status == "attached":
                    found[attachment.volume_id].append(attachment)
        return found

    async def show(self, ctx: Context, attachment_id: str) -> Attachment:
        async with self.db.read() as tx:
            attachment = await self.store.get(tx, attachment_id)
        if attachment is None or not ctx.may_see(attachment.project_id):
            raise AttachmentNotFound(attachment_id=attachment_id)
        return attachment

    async def page(self, page: Page, where: list[sa.ColumnElement[bool]]) -> list[Attachment]:
        async with self.db.read() as tx:
            return await self.store.page(tx, page, *where)

    async def reserve(self, ctx: Context, volume_id: str) -> None:
        """Keep an available volume for the caller's request; the same request may ask twice. InvalidVolume for others."""
        async with self.db.write() as tx:
            volume = await self.volumes.get(tx, ctx, volume_id, lock=True)
            if volume.status == "reserved" and volume.reserved_by == ctx.request_id:
                return
            if volume.status == "in-use" and volume.multiattach:
                return
            await self.volumes.move(tx, volume, ("available",), "reserved", "reserve", reserved_by=ctx.request_id)

    async def unreserve(self, ctx: Context, volume_id: str) -> None:
        """Free a volume that nobody attached after all; fine for one that is not reserved."""
        async with self.db.write() as tx:
            volume = await self.volumes.get(tx, ctx, volume_id, lock=True)
            if volume.status in ("reserved", "attaching"):
                await self._settle(tx, volume)

    async def attach(
        self, volume_id: str, server_id: str | None, host: str, device: str | None, attachment_id: str, *, read_only: bool = False
    ) -> Connection:
        """Attach, and say how the host reaches the volume. A second run gives the same answer again."""
        async with self.db.write() as tx:
            volume = await self.volumes.get(tx, system_context(), volume_id, lock=True)
            attachment = await self.store.get(tx, attachment_id)
            if attachment is None:
                allowed = ("available", "reserved", "attaching", *(("in-use",) if volume.multiattach else ()))
                others = await self.store.count(tx, self.store.table.c.volume_id == volume_id)
                if volume.status not in allowed or (others and not volume.multiattach):
                    raise InvalidVolume(reason=f"Volume {volume_id} is {volume.status} and cannot be attached.")
                mode = "ro" if read_only or volume.read_only else "rw"
                attachment = Attachment(
                    id=attachment_id, volume_id=volume_id, project_id=volume.project_id, server_id=server_id, host=host, device=device,
                    mode=mode, status="attaching", created_at=now(),
                )  # fmt: skip
                await self.store.insert(tx, attachment)
            else:
                await self.store.update(tx, attachment_id, server_id=server_id, host=host, device=device)
            if volume.status != "in-use":
                await self.volumes.store.update(tx, volume_id, status="attaching", updated_at=now())
        if volume.host is None:
            raise NoData(volume_id=volume_id)
        message = AttachVolume(volume_id=volume_id, attachment_id=attachment_id, read_only=attachment.mode == "ro")
        connection: Connection = await self.cloud.bus.call(agent_topic(volume.host), message)
        facts: dict[str, Any] = {"status": "attached", "connection": msgspec.to_builtins(connection)}
        async with self.db.write() as tx:
            await self.store.update(tx, attachment_id, **facts, attached_at=attachment.attached_at or now())
            await self.volumes.store.update(tx, volume_id, status="in-use", reserved_by=None, updated_at=now())
        return connection

    async def connection(self, ctx: Context, volume_id: str) -> Connection:
        """How the volume's host reaches it, for callers who keep their own attachment."""
        async with self.db.read() as tx:
            volume = await self.volumes.get(tx, ctx, volume_id)
        if volume.host is None:
            raise NoData(volume_id=volume_id)
        connection: Connection = await self.cloud.bus.call(
            agent_topic(volume.host), AttachVolume(volume_id=volume_id, attachment_id=volume_id)
        )
        return connection

    async def detach(self, volume_id: str, attachment_id: str) -> None:
        """Give the volume back; not attached, or gone, is fine."""
        async with self.db.read() as tx:
            volume = await self.volumes.store.get(tx, volume_id)
            present = await self.store.get(tx, attachment_id)
        if volume is None or (present is None and volume.status not in ("detaching", "attaching")):
            return
        if volume.host is not None:
            await self.cloud.bus.call(agent_topic(volume.host), DetachVolume(volume_id=volume_id, attachment_id=attachment_id))
        async with self.db.write() as tx:
            volume = await self.volumes.store.get(tx, volume_id, lock=True)
            if volume is None:
                return
            await self.store.delete(tx, attachment_id)
            if volume.status in ("in-use", "attaching", "detaching", "reserved"):
                await self._settle(tx, volume)

    async def connect(self, ctx: Context, attachment_id: str, connector: dict[str, Any]) -> None:
        """Give a reserved attachment its host: the connector says which, and where the device appears there."""
        present = await self.show(ctx, attachment_id)
        host, device = str(connector.get("host", "")), connector.get("mountpoint")
        await self.attach(present.volume_id, present.server_id, host, str(device) if device else None, attachment_id)

    async def begin_detaching(self, ctx: Context, volume_id: str, *, roll_back: bool = False) -> None:
        async with self.db.write() as tx:
            volume = await self.volumes.get(tx, ctx, volume_id, lock=True)
            before, after = ("detaching", "in-use") if roll_back else ("in-use", "detaching")
            await self.volumes.move(tx, volume, (before,), after, "detach")

    async def reserve_for(self, ctx: Context, volume_id: str, server_id: str | None, attachment_id: str, mode: str) -> Attachment:
        """An attachment without a host yet, as the attachments API makes it first."""
        async with self.db.write() as tx:
            volume = await self.volumes.get(tx, ctx, volume_id, lock=True)
            allowed = ("available", "reserved", "in-use") if volume.multiattach else ("available",)
            status = "in-use" if volume.status == "in-use" else "reserved"
            await self.volumes.move(tx, volume, allowed, status, "reserve", reserved_by=ctx.request_id)
            attachment = Attachment(
                id=attachment_id, volume_id=volume_id, project_id=volume.project_id, server_id=server_id, mode=mode, created_at=now()
            )
            await self.store.insert(tx, attachment)
        return attachment

    async def only_of(self, ctx: Context, volume_id: str, attachment_id: str | None) -> Attachment:
        """The attachment meant by a volume action that need not name it."""
        async with self.db.read() as tx:
            await self.volumes.get(tx, ctx, volume_id)
            found = await self.store.find(tx, self.store.table.c.volume_id == volume_id)
        chosen = [attachment for attachment in found if attachment_id in (None, attachment.id)]
        if len(chosen) != 1:
            if attachment_id is None and found:
                raise InvalidVolume(reason=f"Volume {volume_id} has {len(found)} attachments; name one.")
            raise InvalidVolume(reason=f"Volume {volume_id} is not attached so.")
        return chosen[0]

    async def _settle(self, tx: Transaction, volume: Volume) -> None:
        """The status that the remaining attachments give the volume."""
        left = await self.store.count(tx, self.store.table.c.volume_id == volume.id)
        await self.volumes.store.update(tx, volume.id, status="in-use" if left else "available", reserved_by=None, updated_at=now())
