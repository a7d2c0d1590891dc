"""What the network service asks of an engine: bring one object to its wanted state, or take it away."""

import abc
from collections.abc import Callable
from typing import Literal

import msgspec

Kind = Literal["network", "security_group", "port", "router"]
KINDS: tuple[Kind, ...] = ("network", "security_group", "port", "router")
"""Objects the engine knows, in the order in which they must be made."""


class DriverError(Exception):
    """The engine refused or could not be reached; the work is tried again later."""


class DependencyMissing(DriverError):
    """An object that must exist first is not in the engine yet (a port's network, a port's security group)."""


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What every object has: its id and the revision of the wanted state (an older one never overwrites a newer)."""

    id: str
    revision: int


class Route(msgspec.Struct, frozen=True):
    """Traffic for `destination` (CIDR) goes to `nexthop` (address)."""

    destination: str
    nexthop: str


class SubnetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One address range of a network; `metadata_address` is the address of the network's metadata port in it."""

    id: str
    cidr: str
    ip_version: int
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[Route, ...] = ()
    ipv6_address_mode: str | None = None
    metadata_address: str | None = None


class NetworkSpec(Spec, frozen=True, kw_only=True):
    """A layer 2 network: a tunnelled one, or one bridged to `physical_network` (flat, or vlan with `segmentation_id`)."""

    name: str
    mtu: int
    network_type: str
    physical_network: str | None = None
    segmentation_id: int | None = None
    dns_domain: str = ""
    subnets: tuple[SubnetSpec, ...] = ()


class FixedIp(msgspec.Struct, frozen=True):
    """One address of a port."""

    subnet_id: str
    ip_address: str


class AddressPair(msgspec.Struct, frozen=True):
    """Another source address (or CIDR) that a port may use, with its own MAC or the port's."""

    ip_address: str
    mac_address: str | None = None


class DhcpOption(msgspec.Struct, frozen=True):
    """A DHCP option for one port alone, by its dnsmasq name or number."""

    name: str
    value: str
    ip_version: int = 4


class PortSpec(Spec, frozen=True, kw_only=True):
    """A point where something plugs into a network.

    `role`: guest (a server or anything on a host), metadata (the host-side metadata listener, on every host at once),
    router_interface and router_gateway (the port's other end is a router).
    """

    name: str
    network_id: str
    mac_address: str
    role: str = "guest"
    fixed_ips: tuple[FixedIp, ...] = ()
    enabled: bool = True
    port_security: bool = True
    address_pairs: tuple[AddressPair, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    dhcp_options: tuple[DhcpOption, ...] = ()
    hostname: str | None = None
    device_id: str = ""
    host: str = ""
    destination: str = ""
    """where the port is moving to, while it is still on `host` too"""


class RouterPort(msgspec.Struct, frozen=True, kw_only=True):
    """A router's leg in a network: `addresses` with prefix length; `gateway` marks the one to the external network."""

    port_id: str
    mac_address: str
    addresses: tuple[str, ...]
    mtu: int
    gateway: bool = False
    bridged: bool = False
    ipv6_ra_mode: str | None = None


class Nat(msgspec.Struct, frozen=True, kw_only=True):
    """snat: `logical` is a CIDR behind the router; dnat_and_snat: a floating IP, `logical` is the fixed address.

    With `logical_port`, `external_mac` and `host` (the floating IP's port, a MAC of its own, where the port is) the translation may be done
    on that host, if it is on the physical network; else it is done where the gateway is.
    """

    id: str
    kind: Literal["snat", "dnat_and_snat"]
    external: str
    logical: str
    logical_port: str = ""
    external_mac: str = ""
    host: str = ""


class RouterSpec(Spec, frozen=True, kw_only=True):
    """A router with its legs, routes (the default route of the gateway among them) and translations."""

    name: str
    enabled: bool = True
    ports: tuple[RouterPort, ...] = ()
    routes: tuple[Route, ...] = ()
    nats: tuple[Nat, ...] = ()
    gateway_physical_network: str | None = None


class SecurityRule(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule lets through; `protocol` is a name or a number as text, None means any."""

    id: str
    direction: str
    ethertype: str
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None


class SecurityGroupSpec(Spec, frozen=True, kw_only=True):
    """A named set of rules; which ports it guards is said by the ports."""

    name: str
    rules: tuple[SecurityRule, ...] = ()


class PortState(msgspec.Struct, frozen=True):
    """Whether a port is plugged and served on some host."""

    port_id: str
    up: bool


class Chassis(msgspec.Struct, frozen=True, kw_only=True):
    """A host that the engine runs on."""

    name: str
    hostname: str
    alive: bool
    gateway: bool
    physical_networks: tuple[str, ...] = ()
    heartbeat: float | None = None
    """when it last answered a question to all, in seconds since 1970"""


class NetworkDriver(abc.ABC):
    """The ability to realise networks.

    Every `sync_*` and `delete` may be called any number of times, by several workers at once; each answers whether
    something had to be changed. A spec older than what the engine holds is ignored. All raise `DriverError`.
    Several clouds may share an engine: what one cloud (by its id, given once at the start) made, no other sees or touches.
    """

    @abc.abstractmethod
    async def start(self, cloud_id: str, on_port_state: Callable[[PortState], None], on_chassis_change: Callable[[], None]) -> None:
        """Begin to watch; the callbacks run in the caller's event loop, first for every port that exists already."""

    @abc.abstractmethod
    async def stop(self) -> None:
        """End the watch and the connections."""

    @abc.abstractmethod
    async def sync_network(self, spec: NetworkSpec) -> bool: ...

    @abc.abstractmethod
    async def sync_port(self, spec: PortSpec) -> bool:
        """Raises DependencyMissing when the network or a security group is not there yet."""

    @abc.abstractmethod
    async def sync_router(self, spec: RouterSpec) -> bool: ...

    @abc.abstractmethod
    async def sync_security_group(self, spec: SecurityGroupSpec) -> bool: ...

    @abc.abstractmethod
    async def delete(self, kind: Kind, object_id: str) -> bool:
        """Take the object away with all that belongs to it; False when there was nothing."""

    @abc.abstractmethod
    async def inventory(self) -> dict[Kind, dict[str, int]]:
        """Every object of ours that the engine holds: kind, id, revision."""

    @abc.abstractmethod
    async def port_states(self) -> dict[str, bool]:
        """Port id to whether it is up, for every port the engine holds."""

    @abc.abstractmethod
    async def chassis(self) -> list[Chassis]:
        """The hosts, for the agent list and to place gateways."""

    @abc.abstractmethod
    async def ask_for_life(self) -> None:
        """Ask all hosts for a sign of life, which `chassis` then tells; asked anew only when the last question is some time ago."""
