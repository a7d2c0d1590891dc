"""What the network service runs on a host: the metadata listener of each network that has servers there."""

from cloudd.kit.bus import Bus
from cloudd.kit.service import Agent
from cloudd.kit.settings import HostSettings, Settings
from cloudd.network.agent.fake import FakePlumbing
from cloudd.network.agent.metadata import MetadataAgent
from cloudd.network.agent.namespace import NamespacePlumbing
from cloudd.network.settings import NetworkSettings


def build(settings: Settings, bus: Bus) -> Agent:
    """The agent of this host."""
    network = settings.section(NetworkSettings)
    plumbing = FakePlumbing() if network.driver == "fake" else NamespacePlumbing(network.integration_bridge)
    return MetadataAgent(settings.section(HostSettings).name, bus, plumbing)
