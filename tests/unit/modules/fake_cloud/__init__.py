"""A small cloud in memory with the faces of the SDK's connection that the modules use; its answers are the SDK's own resource classes.

What a real cloud does in its own time is done here when it is looked at for the second time, so that waiting is tested, too.
"""

from __future__ import annotations

from .block_storage import FakeBlockStorage
from .compute import FakeCompute
from .image import FakeImage
from .network import FakeNetwork


class FakeConnection:
    """Stands where openstack.connection.Connection does; `calls` lists what was changed, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.network = FakeNetwork(self)
        self.image = FakeImage(self)
        self.block_storage = FakeBlockStorage(self)
        self.compute = FakeCompute(self)
        self.network.add_network("private", "net-private")
        self.network.add_network("backend", "net-backend")
        self.network.add_network("public", "net-public", external=True)
        for name in ("default", "web"):
            self.network.add_security_group(name)
        for name, disk in (("tiny", 1), ("small", 5)):
            self.compute.add_flavor(name, disk)
        for name in ("tiny", "debian"):
            self.image.add_image(name)
        self.compute.add_keypair("operator")
