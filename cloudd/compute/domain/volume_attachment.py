"""Volumes plugged into and out of servers."""

import logging
import uuid

from sqlalchemy.exc import IntegrityError

from cloudd.compute.domain.build_spec import device_name, disk_bus, plain_device
from cloudd.compute.domain.server import Servers
from cloudd.compute.domain.server_action import ServerActions, base
from cloudd.compute.domain.server_volume import ServerVolumes
from cloudd.compute.domain.work import VolumeParams
from cloudd.compute.errors import AttachmentNotFound
from cloudd.compute.messages import ExtendDisk, agent_topic
from cloudd.compute.store.block_device import BlockDevice, BlockDeviceStore
from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest, Condition, Conflict
from cloudd.kit.service import Cloud
from cloudd.volume.messages import VolumeExtended

log = logging.getLogger(__name__)


class VolumeAttachments:
    def __init__(self, cloud: Cloud, servers: Servers, server_actions: ServerActions) -> None:
        self.db = cloud.db
        self.bus = cloud.bus
        self.servers = servers
        self.server_actions = server_actions
        self.volumes = ServerVolumes(cloud)
        self.devices = BlockDeviceStore()
        cloud.bus.subscribe(VolumeExtended, self._extended, group="compute")

    async def list(self, ctx: Context, server_id: str) -> list[BlockDevice]:
        """The server's volumes."""
        async with self.db.read() as tx:
            await self.servers.of(tx, ctx, server_id)
            return [device for device in (await self.devices.of(tx, [server_id]))[server_id] if device.volume_id]

    async def get(self, ctx: Context, server_id: str, key: str) -> BlockDevice:
        """By the volume's id or the attachment's. AttachmentNotFound."""
        async with self.db.read() as tx:
            await self.servers.of(tx, ctx, server_id)
            device = await self.devices.volume_of(tx, server_id, key)
        if device is None:
            raise AttachmentNotFound(server_id=server_id, what="volume", key=key)
        return device

    async def attach(
        self, ctx: Context, server_id: str, volume_id: str, *, device: str | None, tag: str | None, delete_on_termination: bool
    ) -> BlockDevice:
        """The work goes on after this. BadRequest for a volume that cannot be attached, Conflict for a device that is taken."""
        wanted = plain_device(device)
        if device and wanted is None:
            raise BadRequest(reason=f"The supplied device path ({device}) is invalid.")
        await self.servers.get(ctx, server_id)
        await self.volumes.usable(ctx, volume_id)
        try:
            async with self.db.write() as tx:
                server = await self.server_actions.check(tx, ctx, server_id, "attach_volume")
                present = (await self.devices.of(tx, [server_id]))[server_id]
                if any(row.volume_id == volume_id for row in present):
                    raise BadRequest(reason=f"Invalid volume: volume {volume_id} already attached")
                taken = {row.device for row in present}
                if wanted in taken:
                    raise Conflict(reason=f"The supplied device path ({device}) is in use.")
                bus = disk_bus(server.image_properties)
                row = BlockDevice(
                    id=str(uuid.uuid4()),
                    server_id=server_id,
                    source="volume",
                    source_id=volume_id,
                    volume_id=volume_id,
                    device=wanted or device_name(bus, taken),
                    bus=bus,
                    delete_on_termination=delete_on_termination,
                    tag=tag,
                )
                await self.devices.insert(tx, row)
                params = VolumeParams(**base(server), volume_id=volume_id, attachment_id=row.id)
                await self.server_actions.begin(tx, ctx, server, "attach_volume", "compute.attach_volume", params)
        except IntegrityError:
            raise Conflict(reason=f"The supplied device path ({device}) is in use.") from None
        return row

    async def keep(self, ctx: Context, server_id: str, key: str, *, delete_on_termination: bool) -> None:
        """Change whether the volume goes with the server."""
        row = await self.get(ctx, server_id, key)
        async with self.db.write() as tx:
            await self.devices.update(tx, row.id, delete_on_termination=delete_on_termination)

    async def _extended(self, event: VolumeExtended) -> None:
        """Running guests are told; one that cannot be told now sees the new size when it is next started."""
        async with self.db.read() as tx:
            servers = [await self.servers.store.alive(tx, server_id) for server_id in event.server_ids]
        for server in servers:
            if server is None or server.host is None:
                continue
            message = ExtendDisk(server_id=server.id, volume_id=event.volume_id, size_gib=event.size_gib)
            try:
                await self.bus.call(agent_topic(server.host), message, timeout_seconds=60)
            except Condition as error:
                log.warning(
                    "server %s on host %s does not see that volume %s grew: %s", server.id, server.host, event.volume_id, error.text
                )

    async def detach(self, ctx: Context, server_id: str, key: str) -> None:
        """The work goes on after this. The boot volume of a server stays."""
        row = await self.get(ctx, server_id, key)
        if row.boot_index == 0:
            raise BadRequest(reason="Cannot detach a root device volume")
        async with self.db.write() as tx:
            server = await self.server_actions.check(tx, ctx, server_id, "detach_volume")
            params = VolumeParams(**base(server), volume_id=row.volume_id or "", attachment_id=row.id)
            await self.server_actions.begin(tx, ctx, server, "detach_volume", "compute.detach_volume", params)
