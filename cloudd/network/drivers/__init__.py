"""Drivers that turn the network service's rows into a working network."""

from cloudd.network.drivers.base import NetworkDriver
from cloudd.network.drivers.fake import FakeDriver
from cloudd.network.settings import NetworkSettings


def make_driver(settings: NetworkSettings) -> NetworkDriver:
    """The driver that the settings name."""
    if settings.driver == "fake":
        return FakeDriver(physical_networks=settings.physical_networks, plug_at_once=True)
    from cloudd.network.drivers.ovn import OvnDriver, Tls  # needs ovsdbapp, which a fake cloud does not

    return OvnDriver(
        settings.ovn_northbound,
        settings.ovn_southbound,
        timeout_seconds=settings.ovn_timeout_seconds,
        tls=Tls.of(settings.ovn_key_path, settings.ovn_certificate_path, settings.ovn_ca_path),
    )
