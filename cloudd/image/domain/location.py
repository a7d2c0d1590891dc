"""Where images' files are: spread over the image hosts, read from whichever has one, removed everywhere."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import httpx

from cloudd.image.domain.host import Hosts
from cloudd.image.domain.ticket import Tickets
from cloudd.image.drivers.file import ImageFiles
from cloudd.image.errors import ImageNotFound, TooFewHosts, TransferFailed
from cloudd.image.messages import PullImage, RemoveImage, agent_topic
from cloudd.image.settings import ImageSettings
from cloudd.image.store.host import Host
from cloudd.image.store.image import ImageStore
from cloudd.image.store.location import WHOLE, Location, LocationStore
from cloudd.image.transfer import ImageSource, Transfers
from cloudd.image.transfer.http import read_file
from cloudd.kit.clock import now
from cloudd.kit.errors import Condition, Unreachable
from cloudd.kit.service import Cloud

log = logging.getLogger(__name__)


class Locations:
    def __init__(self, cloud: Cloud, files: ImageFiles, hosts: Hosts, tickets: Tickets) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.files = files
        self.hosts = hosts
        self.tickets = tickets
        self.store = LocationStore()
        self.images = ImageStore()
        self.transfers = Transfers(cloud.settings)
        self._pulls: set[asyncio.Task[None]] = set()

    async def note(self, image_id: str, host: str, state: str = WHOLE) -> None:
        async with self.db.write() as tx:
            await self.store.put(tx, Location(image_id=image_id, host=host, state=state, created_at=now()))

    async def drop(self, image_id: str, host: str) -> None:
        async with self.db.write() as tx:
            await self.store.remove(tx, image_id, host)

    async def hosts_of(self, image_id: str, state: str = WHOLE) -> list[str]:
        async with self.db.read() as tx:
            return await self.store.hosts_of(tx, image_id, state)

    async def spread(self, image_id: str, disk_format: str, size_bytes: int, sha512: str, holder: str) -> None:
        """Have the other image hosts fetch what `holder` has; returns as soon as a majority holds it, the rest goes on. TooFewHosts."""
        await self.note(image_id, holder)
        hosts = {host.id: host for host in await self.hosts.all()}
        others = [host for name, host in hosts.items() if name != holder and self.hosts.is_alive(host)]
        total = len(hosts.keys() | {holder})
        needed = total // 2 + 1
        refused = TooFewHosts(alive=1 + len(others), all=total, needed=needed)
        if 1 + len(others) < needed:
            raise refused
        if not others:
            return
        source = self.source(image_id, disk_format, size_bytes, sha512, hosts[holder])
        pulls = [self._start_pull(host.id, source) for host in others]
        try:
            await _enough(pulls, needed - 1, refused)
        except BaseException:
            for pull in pulls:
                pull.cancel()
            raise

    def source(self, image_id: str, disk_format: str, size_bytes: int, sha512: str, holder: Host) -> ImageSource:
        """The file of one holder, for its peers."""
        url = self.tickets.url("peer", image_id, self.hosts.base_url(holder))
        return ImageSource(image_id, "", disk_format, size_bytes, sha512, url)

    async def pull(self, host: str, source: ImageSource) -> None:
        """Have a host fetch it, and note that it holds it."""
        timeout = self.cloud.settings.section(ImageSettings).transfer_timeout_seconds
        await self.cloud.bus.call(agent_topic(host), PullImage(source=source), timeout_seconds=timeout)
        async with self.db.write() as tx:
            image = await self.images.get(tx, source.image_id, lock=True)
            # Its answer may come after the image was deleted, or made anew under the same id.
            if image is not None and image.status != "queued" and image.os_hash_value in (None, source.sha512):
                await self.store.put(tx, Location(image_id=image.id, host=host, state=WHOLE, created_at=now()))

    def _start_pull(self, host: str, source: ImageSource) -> asyncio.Task[None]:
        task = asyncio.create_task(self.pull(host, source))
        self._pulls.add(task)
        task.add_done_callback(self._pull_ended)
        return task

    def _pull_ended(self, task: asyncio.Task[None]) -> None:
        self._pulls.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Nobody waits for the minority's; the reconciler has them pull again.
            log.warning("a host did not fetch an image: %s", error)

    async def remove(self, image_id: str) -> None:
        """Remove the files everywhere; a host that is away now is cleared by the reconciler when it is back."""
        await self.files.delete(image_id)
        for host in await self.hosts.all():
            if host.id != self.hosts.own:
                with contextlib.suppress(Unreachable):
                    await self.cloud.bus.cast(agent_topic(host.id), RemoveImage(image_id=image_id))

    async def read(self, image_id: str, size_bytes: int, first: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of a part of an active image: this host's, else a peer's, and the next one's where that one breaks off."""
        holders = await self.hosts_of(image_id)
        path = self.files.path_of(image_id)
        # Images from before there were locations are where they always were.
        if (not holders or self.hosts.own in holders) and path.exists():
            async for chunk in read_file(path, first, length):
                yield chunk
            return
        left = size_bytes - first if length is None else length
        for host in await self._peers(holders):
            url = self.tickets.url("peer", image_id, self.hosts.base_url(host))
            try:
                async for chunk in self.transfers.read(url, image_id, first, left):
                    first, left = first + len(chunk), left - len(chunk)
                    yield chunk
            except (httpx.HTTPError, TransferFailed, ImageNotFound) as error:
                log.warning("host %s does not give the file of image %s: %s", host.id, image_id, error)
            if not left:
                return
        raise TransferFailed(image_id=image_id, reason=f"no host gives its file, which should be on {', '.join(holders) or 'none'}")

    async def _peers(self, holders: list[str]) -> list[Host]:
        """Those that live come first."""
        peers = [host for host in await self.hosts.all() if host.id in holders and host.id != self.hosts.own]
        return sorted(peers, key=lambda host: not self.hosts.is_alive(host))


async def _enough(pulls: list[asyncio.Task[None]], count: int, refused: TooFewHosts) -> None:
    """Wait until so many have succeeded."""
    under_way = set(pulls)
    while count > 0:
        if len(under_way) < count:
            raise refused
        done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        for pull in done:
            if (error := pull.exception()) is None:
                count -= 1
            elif not isinstance(error, Condition):
                raise error
