"""What control plane and hosts tell each other about networks."""

from typing import Any, ClassVar

import msgspec

from cloudd.kit.bus import Message

#: answered by a worker of the control plane
CONTROL = "network.control"
#: answered by compute's metadata handler
METADATA = "compute.metadata"


def agent_topic(host: str) -> str:
    """The queue of one host's network agent."""
    return f"network.agent.{host}"


class ApplyChanges(Message, kw_only=True):
    """To CONTROL: there are changes that the engine has not been told."""

    name: ClassVar[str] = "network.apply_changes"


class RefreshHost(Message, kw_only=True):
    """To a host's agent: the networks that it must serve may have changed."""

    name: ClassVar[str] = "network.refresh_host"


class ServedNetwork(msgspec.Struct, kw_only=True):
    """A network whose servers on a host need the metadata service; `addresses` with prefix length."""

    network_id: str
    port_id: str
    mac_address: str
    addresses: list[str]
    mtu: int


class ServedNetworks(msgspec.Struct, kw_only=True):
    networks: list[ServedNetwork] = []


class NetworksOfHost(Message, kw_only=True):
    """To CONTROL, from an agent: which networks must this host serve?"""

    name: ClassVar[str] = "network.networks_of_host"
    reply: ClassVar[Any] = ServedNetworks
    host: str


class MetadataReply(msgspec.Struct, kw_only=True):
    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=UTF-8"


class MetadataRequest(Message, kw_only=True):
    """To METADATA: a guest at `address` (its source address in that network) asks for `path` (with query)."""

    name: ClassVar[str] = "compute.metadata_request"
    reply: ClassVar[Any] = MetadataReply
    network_id: str
    address: str
    method: str = "GET"
    path: str
    headers: dict[str, str] = {}
    body: bytes = b""
