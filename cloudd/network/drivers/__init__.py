"""Drivers that turn the network service's rows into a working network."""

from cloudd.network.drivers.base import NetworkDriver
from cloudd.network.drivers.fake import FakeDriver
from cloudd.network.settings import NetworkSettings


def make_driver(settings: NetworkSettings) -> NetworkDriver:
    """The driver that the settings name."""
    if settings.driver == "fake":
        return FakeDriver(physical_networks=settings.physical_networks, plug_at_once=True)
    from cloudd.network.drivers.ovn import OvnDriver  # needs ovsdbapp, which a fake cloud does not

    files = (settings.ovn_tls_key_path, settings.ovn_tls_certificate_path, settings.ovn_tls_ca_path)
    tls = (files[0], files[1], files[2]) if files[0] and files[1] and files[2] else None
    return OvnDriver(settings.ovn_northbound, settings.ovn_southbound, timeout_seconds=settings.ovn_timeout_seconds, tls=tls)
