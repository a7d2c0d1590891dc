"""Compares the image rows with the files on all hosts, and heals what crashes and absences left."""

import logging

from cloudd.image.domain.location import Locations
from cloudd.image.messages import Holdings, ListHoldings, RemoveImage, agent_topic
from cloudd.image.settings import ImageSettings
from cloudd.image.store.host import Host
from cloudd.image.store.image import Image, ImageStore
from cloudd.image.store.location import WHOLE
from cloudd.kit.clock import now
from cloudd.kit.errors import Condition
from cloudd.kit.service import Cloud

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 30


class Healing:
    def __init__(self, cloud: Cloud, locations: Locations) -> None:
        self.cloud = cloud
        self.locations = locations
        self.hosts = locations.hosts
        self.store = ImageStore()

    async def heal(self) -> None:
        """Remove files without an image, queue uploads again that nobody feeds, have hosts fetch what they lack, name lost images."""
        hosts = await self.hosts.all()
        # Files first: a file seen now had its row before, so a row that is missing afterwards was deleted.
        held = {host.id: held for host in hosts if (held := await self._holdings(host)) is not None}
        async with self.cloud.db.read() as tx:
            images = {image.id: image for image in await self.store.find(tx)}
        for host, holdings in held.items():
            await self._remove_strays(host, holdings, images)
        for image in images.values():
            if image.status == "saving":
                await self._requeue_if_dead(image)
            elif image.status in ("active", "deactivated"):
                await self._complete(image, hosts, held)

    async def _holdings(self, host: Host) -> Holdings | None:
        if not self.hosts.is_alive(host):
            return None
        try:
            holdings: Holdings = await self.cloud.bus.call(agent_topic(host.id), ListHoldings(), timeout_seconds=_ANSWER_SECONDS)
        except Condition as condition:
            log.warning("image host %s was not compared: %s", host.id, condition.text)
            return None
        return holdings

    async def _remove_strays(self, host: str, holdings: Holdings, images: dict[str, Image]) -> None:
        """Files of images that are gone, whole or on their way."""
        gone = {key for key in (*holdings.images, *holdings.staged) if key.partition(".")[0] not in images}
        for image_id in sorted(gone):
            log.info("removing the files of image %s, which is gone, on host %s", image_id, host)
            await self.cloud.bus.call(agent_topic(host), RemoveImage(image_id=image_id))

    async def _requeue_if_dead(self, image: Image) -> None:
        """An upload shows signs of life in its row."""
        idle = 2 * self.cloud.settings.section(ImageSettings).upload_idle_timeout_seconds
        async with self.cloud.db.read() as tx:
            is_worked_on = bool(await self.cloud.sagas.active_for(tx, image.id))
        if is_worked_on or (now() - image.updated_at).total_seconds() <= idle:
            return
        log.warning("the upload of image %s was cut off; the image is queued again", image.id)
        # The files first: once the image is queued, another upload may begin.
        await self.locations.remove(image.id)
        table = self.store.table.c
        async with self.cloud.db.write() as tx:
            unchanged = table.status == "saving", table.updated_at == image.updated_at
            if await self.store.update(tx, image.id, *unchanged, status="queued", updated_at=now()):
                await self.locations.store.remove_all(tx, image.id)

    async def _complete(self, image: Image, hosts: list[Host], held: dict[str, Holdings]) -> None:
        """Every host that answers shall have the file, checked; a location without one is dropped."""
        noted = set(await self.locations.hosts_of(image.id, WHOLE))
        present = {host for host, holdings in held.items() if holdings.images.get(image.id) == image.size}
        for host in noted & held.keys() - present:
            log.error("host %s has lost the file of image %s", host, image.id)
            await self.locations.drop(image.id, host)
        holders = (noted - held.keys()) | (noted & present)
        # A file that nobody noted is an earlier one's, or one from before locations were noted: its host compares before it keeps it.
        wanting = held.keys() - holders
        sources = [host for host in hosts if host.id in (holders or present)]
        if not sources:
            if len(held) == len(hosts):
                await self._lost(image)
            return
        sources.sort(key=lambda host: host.id not in present)
        for host_id in sorted(wanting):
            await self._pull(image, host_id, sources[0])

    async def _pull(self, image: Image, host: str, holder: Host) -> None:
        assert image.disk_format is not None
        assert image.size is not None
        source = self.locations.source(image.id, image.disk_format, image.size, image.os_hash_value or "", holder)
        try:
            await self.locations.pull(host, source)
        except Condition as condition:
            log.warning("host %s did not get the file of image %s: %s", host, image.id, condition.text)
        else:
            log.info("host %s has the file of image %s now", host, image.id)

    async def _lost(self, image: Image) -> None:
        """An image whose file vanished from every host cannot be used; its record stays so that its owner learns it."""
        log.error("image %s has lost its file on every host; it is killed", image.id)
        async with self.cloud.db.write() as tx:
            await self.store.update(tx, image.id, self.store.table.c.status == "active", status="killed", updated_at=now())
