"""The driver that the settings name; libvirt's library is loaded only where it is wanted."""

from cloudd.compute.drivers.base import ComputeDriver
from cloudd.compute.drivers.fake import FakeDriver
from cloudd.compute.settings import ComputeSettings


def make_driver(settings: ComputeSettings, address: str) -> ComputeDriver:
    """A driver that is not started yet, for the host that the cloud's others reach at `address`."""
    if settings.driver == "fake":
        return FakeDriver(latency_seconds=settings.fake_latency_seconds, address=address)
    from cloudd.compute.drivers.libvirt.driver import LibvirtDriver

    return LibvirtDriver(
        settings.libvirt_uri,
        settings.instances_directory,
        virt_type=settings.virt_type,
        machine=settings.machine,
        graphics=settings.graphics,
        cpu_mode=settings.cpu_mode,
        address=address,
        migration_uri=settings.migration_uri,
        migration_tls_directory=settings.migration_tls_directory,
    )
