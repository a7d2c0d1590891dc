"""The hosts that keep images: who they are, and which of them live."""

from datetime import timedelta

from cloudd.image.errors import HostUnknown
from cloudd.image.messages import Heartbeat
from cloudd.image.settings import ImageSettings
from cloudd.image.store.host import Host, HostStore
from cloudd.image.store.location import LocationStore
from cloudd.kit.clock import now
from cloudd.kit.service import Cloud
from cloudd.kit.settings import ApiSettings, HostSettings

#: a host that missed so many heartbeats is not asked for anything that somebody waits for
_MISSED = 3


class Hosts:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.db = cloud.db
        self.store = HostStore()
        self.locations = LocationStore()

    @property
    def own(self) -> str:
        """The host of this process."""
        return self.cloud.settings.section(HostSettings).name

    async def report(self, beat: Heartbeat) -> None:
        """Take an agent's heartbeat; with its first one a host is among those that keep every image."""
        facts = {"address": beat.address, "total_bytes": beat.total_bytes, "free_bytes": beat.free_bytes, "updated_at": now()}
        async with self.db.write() as tx:
            if not await self.store.update(tx, beat.host, **facts):
                await self.store.insert(tx, Host(id=beat.host, **facts))  # type: ignore[arg-type]

    async def all(self) -> list[Host]:
        async with self.db.read() as tx:
            return await self.store.find(tx, order=self.store.table.c.id)

    def is_alive(self, host: Host) -> bool:
        return host.updated_at > now() - _MISSED * timedelta(seconds=self.cloud.settings.section(ImageSettings).heartbeat_interval_seconds)

    def base_url(self, host: Host) -> str:
        """The address of the host's own API process, as this cloud's API processes are all set up alike."""
        api = self.cloud.settings.section(ApiSettings)
        return f"{'https' if api.tls_certificate_path else 'http'}://{host.address}:{api.port}"

    async def remove(self, name: str) -> None:
        """The host keeps images no longer. HostUnknown. Its agent must be stopped: a further heartbeat brings it back."""
        async with self.db.write() as tx:
            if not await self.store.delete(tx, name):
                raise HostUnknown(host=name)
            await self.locations.delete_where(tx, self.locations.table.c.host == name)
