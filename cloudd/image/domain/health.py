"""What an operator should know of images: hosts that are silent, and images of which a host has no copy."""

from cloudd.image.domain.host import Hosts
from cloudd.image.store.image import ImageStore
from cloudd.image.store.location import WHOLE, LocationStore
from cloudd.kit.clock import iso_z
from cloudd.kit.health import Check, Finding, Level
from cloudd.kit.service import Cloud


class Health:
    def __init__(self, cloud: Cloud, hosts: Hosts) -> None:
        self.db = cloud.db
        self.hosts = hosts
        self.images = ImageStore()
        self.locations = LocationStore()

    def checks(self) -> list[Check]:
        return [
            Check("image.hosts", "image hosts", self.look_at_hosts),
            Check("image.copies", "images and their copies", self.look_at_copies),
        ]

    async def look_at_hosts(self) -> list[Finding]:
        return [
            Finding("error", host.id, f"was last heard of at {iso_z(host.updated_at)}", "start cloudd-agent there")
            for host in await self.hosts.all()
            if not self.hosts.is_alive(host)
        ]

    async def look_at_copies(self) -> list[Finding]:
        """An image without any copy is lost to its users; one that lacks some has less to fall back on."""
        hosts = {host.id for host in await self.hosts.all()}
        async with self.db.read() as tx:
            images = await self.images.find(tx, self.images.table.c.status == "active")
            locations = await self.locations.find(tx, self.locations.table.c.state == WHOLE)
        holders: dict[str, set[str]] = {}
        for location in locations:
            holders.setdefault(location.image_id, set()).add(location.host)
        found = []
        for image in images:
            missing = hosts - holders.get(image.id, set())
            if missing:
                level: Level = "error" if missing == hosts else "warning"
                remedy = "the hosts fetch it by themselves once they are up; without any copy, upload it again"
                found.append(Finding(level, f"image {image.name} ({image.id})", f"has no copy on {', '.join(sorted(missing))}", remedy))
        return found
