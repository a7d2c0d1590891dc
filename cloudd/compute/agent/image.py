"""Images on a compute host: brought here before a server's disks are made from them, and brought away when one was made of a disk."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from cloudd.compute.drivers.base import ServerSpec
from cloudd.compute.drivers.libvirt.base_image import BASE_DIRECTORY, bases_in_use
from cloudd.image.transfer import ImageCache, ImageTarget
from cloudd.kit.settings import Settings


class HostImages:
    """`directory` is that of the instances' files; images lie below it, for disks stand on them."""

    def __init__(self, directory: str, settings: Settings) -> None:
        self._cache = ImageCache(Path(directory) / BASE_DIRECTORY, settings, lambda: bases_in_use(Path(directory)))

    async def start(self) -> None:
        await self._cache.start()

    @asynccontextmanager
    async def held(self, spec: ServerSpec) -> AsyncIterator[ServerSpec]:
        """The spec with images that are files of this host, at least as long as the block lasts."""
        async with AsyncExitStack() as stack:
            disks = []
            for disk in spec.disks:
                image = disk.image
                if image is not None:
                    path = await stack.enter_async_context(self._cache.hold(image))
                    image = msgspec.structs.replace(image, path=str(path))
                disks.append(msgspec.structs.replace(disk, image=image))
            yield msgspec.structs.replace(spec, disks=disks)

    async def hand_in(self, target: ImageTarget, make: Callable[[str], Awaitable[None]]) -> None:
        """Have `make` write a file at the path it is given, and bring that to the image service."""
        await self._cache.hand_in(target, lambda path: make(str(path)))
