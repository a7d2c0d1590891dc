"""The volumes of servers, by way of the volume service."""

import asyncio

from cloudd.compute.drivers.base import plain_connection
from cloudd.compute.errors import HostFailed, VolumeUnusable
from cloudd.compute.store.block_device import BlockDevice
from cloudd.compute.store.server import Server
from cloudd.kit.auth import Context
from cloudd.kit.errors import Condition
from cloudd.kit.service import Cloud
from cloudd.volume.client import Volume, VolumeClient, VolumeSpec

_POLL_SECONDS = 0.2
_CREATE_TIMEOUT_SECONDS = 1800


class ServerVolumes:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    @property
    def volumes(self) -> VolumeClient:
        return self.cloud.client(VolumeClient)

    async def usable(self, ctx: Context, volume_id: str) -> Volume:
        """A volume that can be attached now. VolumeUnusable (400); its own 404 where it is not there."""
        volume = await self.volumes.get(ctx, volume_id)
        if volume.status != "available" and not (volume.multiattach and volume.status == "in-use"):
            raise VolumeUnusable(reason=f"volume {volume_id} status must be available, currently in: {volume.status}")
        return volume

    async def make(self, ctx: Context, device: BlockDevice, server: Server) -> None:
        """Make the volume that a new server brings with it, and wait until it is there."""
        assert device.volume_id is not None
        spec = VolumeSpec(
            size_gib=device.size_gib,
            name="",
            image_id=device.source_id if device.source == "image" else None,
            snapshot_id=device.source_id if device.source == "snapshot" else None,
            volume_type=device.volume_type,
        )
        await self.volumes.create(ctx, spec, device.volume_id)
        async with asyncio.timeout(_CREATE_TIMEOUT_SECONDS):
            while True:
                status = (await self.volumes.get(ctx, device.volume_id)).status
                if status.startswith("error"):
                    raise HostFailed(reason=f"Volume {device.volume_id} for device {device.device} could not be made.")
                if status not in ("creating", "downloading"):
                    return
                await asyncio.sleep(_POLL_SECONDS)

    async def unmake(self, ctx: Context, volume_id: str) -> None:
        """Delete a volume that came with a server; gone already is fine."""
        try:
            await self.volumes.delete(ctx, volume_id)
        except Condition as error:
            if error.status != 404:
                raise

    async def reserve(self, ctx: Context, volume_id: str) -> None:
        """Nobody else may take it from now on."""
        await self.volumes.reserve(ctx, volume_id)

    async def unreserve(self, ctx: Context, volume_id: str) -> None:
        """Free again; fine for one that is not there or not reserved."""
        try:
            await self.volumes.unreserve(ctx, volume_id)
        except Condition as error:
            if error.status not in (404, 409):
                raise

    async def attach(self, device: BlockDevice, server_id: str, host: str) -> dict[str, str]:
        """How the host reaches it. Idempotent."""
        assert device.volume_id is not None
        connection = await self.volumes.attach(device.volume_id, server_id, host, f"/dev/{device.device}", device.id)
        return plain_connection(connection)

    async def detach(self, device: BlockDevice) -> None:
        """The host no longer needs it. Idempotent; a volume that is gone is fine."""
        assert device.volume_id is not None
        try:
            await self.volumes.detach(device.volume_id, device.id)
        except Condition as error:
            if error.status != 404:
                raise
