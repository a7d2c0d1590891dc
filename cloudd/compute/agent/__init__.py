"""Compute's part on a host: obeys messages, reports what it has; never opens the database."""

from cloudd.compute.agent.agent import ComputeAgent
from cloudd.compute.agent.driver_choice import make_driver
from cloudd.compute.agent.image import HostImages
from cloudd.compute.settings import ComputeSettings
from cloudd.kit.bus import Bus
from cloudd.kit.settings import HostSettings, Settings


def build(settings: Settings, bus: Bus) -> ComputeAgent:
    """The agent that the settings describe."""
    compute, host = settings.section(ComputeSettings), settings.section(HostSettings)
    images = HostImages(compute.instances_directory, settings)
    return ComputeAgent(make_driver(compute, host.management_address), images, bus, host, compute.heartbeat_seconds)
