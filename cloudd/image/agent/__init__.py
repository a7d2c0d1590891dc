"""The image service's part on a host that keeps images: has the files that it should have, and reports that it lives."""

import asyncio
import contextlib
import logging
import shutil

from cloudd.image.domain.intake import Intake, examine
from cloudd.image.drivers.file import ImageFiles
from cloudd.image.messages import (
    CONTROL,
    Facts,
    Heartbeat,
    Holdings,
    ListHoldings,
    PullImage,
    RemoveImage,
    TakeStaged,
    agent_topic,
)
from cloudd.image.settings import ImageSettings
from cloudd.image.transfer import Transfers
from cloudd.kit.bus import Bus
from cloudd.kit.settings import HostSettings, Settings

log = logging.getLogger(__name__)

_REPORT_SECONDS = 10


class ImageAgent:
    """Shares its directory with the API and worker processes of its host."""

    def __init__(self, settings: Settings, bus: Bus) -> None:
        self.settings = settings.section(ImageSettings)
        self.host = settings.section(HostSettings)
        self.files = ImageFiles(self.settings.directory)
        self.bus = bus
        self._transfers = Transfers(settings)
        self._turns: dict[str, asyncio.Lock] = {}
        self._beat: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await asyncio.to_thread(self.files.prepare)
        self.bus.serve(
            agent_topic(self.host.name),
            {PullImage: self.pull, RemoveImage: self.remove, TakeStaged: self.take_staged, ListHoldings: self.list_holdings},
        )
        # The first one before anything else, so that the host is known as soon as the agent is up.
        await self._report()
        self._beat = asyncio.create_task(self._keep_reporting())

    async def stop(self) -> None:
        self.bus.withdraw(agent_topic(self.host.name))
        if self._beat is not None:
            self._beat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beat

    async def pull(self, message: PullImage) -> None:
        source = message.source
        turn = self._turns.setdefault(source.image_id, asyncio.Lock())
        async with turn:
            if not source.sha512 or await self.files.sha512_of(source.image_id) != source.sha512:
                staged = self.files.staging_path_of(source.key)
                await self._transfers.fetch(source, staged)
                await self.files.move_in(staged, source.image_id)
        self._turns.pop(source.image_id, None)

    async def remove(self, message: RemoveImage) -> None:
        await self.files.delete(message.image_id)

    async def take_staged(self, message: TakeStaged) -> Facts:
        staged = self.files.staging_path_of(message.image_id)
        source = staged if staged.exists() else self.files.path_of(message.image_id)
        facts = await examine(source, Intake(message.disk_format, message.container_format, self.settings.size_limit_bytes))
        await self.files.move_in(source, message.image_id)
        return facts

    async def list_holdings(self, _: ListHoldings) -> Holdings:
        return await self.files.holdings()

    async def _keep_reporting(self) -> None:
        while True:
            await asyncio.sleep(self.settings.heartbeat_interval_seconds)
            await self._report()

    async def _report(self) -> None:
        try:
            usage = await asyncio.to_thread(shutil.disk_usage, self.files.directory)
            beat = Heartbeat(host=self.host.name, address=self.host.management_address, total_bytes=usage.total, free_bytes=usage.free)
            # Answered, so that whoever starts after this agent finds its host known.
            await self.bus.call(CONTROL, beat, timeout_seconds=_REPORT_SECONDS)
        except Exception as error:
            log.warning("the image agent of %s could not report: %s; it tries again", self.host.name, error)


def build(settings: Settings, bus: Bus) -> ImageAgent:
    return ImageAgent(settings, bus)
