"""The volume service's part on a host: does with its driver what messages ask for, and reports that it lives."""

import asyncio
import contextlib
import logging
from pathlib import Path

from cloudd.image.transfer import ImageCache
from cloudd.kit.bus import Bus
from cloudd.kit.settings import HostSettings, Settings, SettingsError
from cloudd.volume.drivers.base import Connection, ImageSource, VolumeDriver
from cloudd.volume.drivers.fake import FakeDriver
from cloudd.volume.drivers.file import FileDriver
from cloudd.volume.messages import (
    CONTROL,
    AttachVolume,
    CreateSnapshot,
    CreateVolume,
    DeleteSnapshot,
    DeleteVolume,
    DetachVolume,
    ExtendVolume,
    Heartbeat,
    Holdings,
    ListHoldings,
    RevertVolume,
    WriteImage,
    agent_topic,
)
from cloudd.volume.settings import VolumeSettings
from cloudd.volume.targets.base import LocalOnly, Target
from cloudd.volume.targets.tgt import TgtTarget
from cloudd.volume.targets.tgtd import Tgtd

log = logging.getLogger(__name__)


class VolumeAgent:
    def __init__(self, host: str, driver: VolumeDriver, target: Target, images: ImageCache, bus: Bus, settings: VolumeSettings) -> None:
        self.host = host
        self.driver = driver
        self.target = target
        self.images = images
        self.bus = bus
        self.settings = settings
        self._beat: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.driver.recover()
        await self.images.start()
        self.bus.serve(
            agent_topic(self.host),
            {
                CreateVolume: self.create_volume,
                DeleteVolume: lambda m: self.driver.delete(m.volume_id),
                ExtendVolume: lambda m: self.driver.extend(m.volume_id, m.size_gib),
                RevertVolume: lambda m: self.driver.revert_to_snapshot(m.volume_id, m.size_gib, m.snapshot_id),
                CreateSnapshot: lambda m: self.driver.create_snapshot(m.snapshot_id, m.volume_id, in_use=m.in_use),
                DeleteSnapshot: lambda m: self.driver.delete_snapshot(m.snapshot_id),
                AttachVolume: self.attach_volume,
                DetachVolume: self.detach_volume,
                WriteImage: self.write_image,
                ListHoldings: self.list_holdings,
            },
        )
        self._beat = asyncio.create_task(self._report())

    async def stop(self) -> None:
        self.bus.withdraw(agent_topic(self.host))
        if self._beat is not None:
            self._beat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beat

    async def create_volume(self, message: CreateVolume) -> None:
        volume_id, size_gib = message.volume_id, message.size_gib
        if message.image is not None:
            async with self.images.hold(message.image) as path:
                image = ImageSource(path=str(path), disk_format=message.image.disk_format)
                await self.driver.create_from_image(volume_id, size_gib, image)
        elif message.snapshot_id is not None:
            await self.driver.create_from_snapshot(volume_id, size_gib, message.snapshot_id)
        elif message.source_volume_id is not None:
            await self.driver.create_from_volume(volume_id, size_gib, message.source_volume_id, source_in_use=message.source_in_use)
        else:
            await self.driver.create(volume_id, size_gib)

    async def write_image(self, message: WriteImage) -> None:
        async def write(path: Path) -> None:
            await self.driver.write_image(message.volume_id, str(path), message.disk_format)

        await self.images.hand_in(message.target, write)

    async def attach_volume(self, message: AttachVolume) -> Connection:
        local = await self.driver.attach(message.volume_id, message.attachment_id, read_only=message.read_only)
        return await self.target.export(message.volume_id, message.attachment_id, local)

    async def detach_volume(self, message: DetachVolume) -> None:
        await self.target.withdraw(message.attachment_id)
        await self.driver.detach(message.volume_id, message.attachment_id)

    async def list_holdings(self, _: ListHoldings) -> Holdings:
        return Holdings(await self.driver.volumes(), sorted(await self.driver.snapshots()))

    async def _report(self) -> None:
        while True:
            try:
                await self.target.recover()
            except Exception:
                log.exception("not every export could be brought back; the agent tries again")
            try:
                capacity = await self.driver.capacity()
                await self.bus.cast(
                    CONTROL,
                    Heartbeat(
                        host=self.host,
                        driver=self.driver.name,
                        availability_zone=self.settings.availability_zone,
                        total_bytes=capacity.total_bytes,
                        free_bytes=capacity.free_bytes,
                    ),
                )
            except Exception:
                log.exception("the volume agent could not report; it tries again")
            await asyncio.sleep(self.settings.heartbeat_interval_seconds)


def build_driver(settings: VolumeSettings) -> VolumeDriver:
    """The driver that the settings name."""
    if settings.driver == "file":
        return FileDriver(settings.directory)
    if settings.driver == "fake":
        return FakeDriver()
    raise SettingsError(f"volume.driver: {settings.driver!r} is no driver that cloudd knows; use file")


def build_target(settings: VolumeSettings, host: HostSettings) -> Target:
    """The export that the settings name."""
    if settings.target == "none":
        return LocalOnly()
    if settings.target == "tgt":
        tgtd = Tgtd(Path(settings.target_socket_path))
        return TgtTarget(settings.target_directory, host.management_address, settings.target_port, tgtd)
    raise SettingsError(f"volume.target: {settings.target!r} is no target that cloudd knows; use none or tgt")


def build(settings: Settings, bus: Bus) -> VolumeAgent:
    section, host = settings.section(VolumeSettings), settings.section(HostSettings)
    images = ImageCache(Path(section.directory) / "images", settings)
    return VolumeAgent(host.name, build_driver(section), build_target(section, host), images, bus, section)
