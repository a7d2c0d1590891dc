"""The network section of the settings."""

from typing import Literal

import msgspec

from cloudd.kit import settings


class NetworkSettings(msgspec.Struct, forbid_unknown_fields=True):
    #: "fake" has no hosts: for tests and for control planes without networks
    driver: Literal["ovn", "fake"] = "ovn"
    #: OVSDB remotes: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT, several parted by commas
    ovn_northbound: str = "unix:/run/ovn/ovnnb_db.sock"
    ovn_southbound: str = "unix:/run/ovn/ovnsb_db.sock"
    ovn_timeout_seconds: int = 10
    #: for ssl remotes: who signs the databases' certificates, and this host's own
    ovn_ca_path: str | None = None
    ovn_certificate_path: str | None = None
    ovn_key_path: str | None = None
    #: which kind a network is when nobody says; those that exist stay what they are
    tenant_network_type: Literal["geneve", "vxlan", "vlan"] = "geneve"
    #: what the hosts' tunnels speak (ovn-encap-type); without it what tenant_network_type says, or geneve
    tunnel_type: Literal["geneve", "vxlan"] | None = None
    #: which physical network carries networks of kind vlan when none is named; without it the first of physical_networks
    tenant_physical_network: str | None = None
    #: MTU of tenant networks: the tunnel network's less 58 bytes (geneve) or 50 (vxlan)
    tenant_mtu: int = 1442
    #: MTU of networks that are bridged to a physical one
    physical_mtu: int = 1500
    #: names that ovn-bridge-mappings of the hosts give to their bridges
    physical_networks: tuple[str, ...] = ("external",)
    #: VLAN ids that a network may be given when none is asked for
    vlan_range: tuple[int, int] = (2, 4094)
    #: resolvers for subnets that name none
    dns_nameservers: tuple[str, ...] = ()
    #: first half of the MACs
    mac_prefix: str = "fa:16:3e"
    #: quotas of projects that have none of their own; -1 is no limit
    quota_network: int = 100
    quota_subnet: int = 100
    quota_port: int = 500
    quota_router: int = 10
    quota_floatingip: int = 50
    quota_security_group: int = 10
    quota_security_group_rule: int = 100
    quota_subnetpool: int = -1
    #: how often everything is compared with the engine
    reconcile_seconds: float = 60
    #: the host's integration bridge, where the metadata listener plugs in
    integration_bridge: str = "br-int"

    def tunnel(self) -> str:
        """What tunnelled networks travel in."""
        return self.tunnel_type or ("geneve" if self.tenant_network_type == "vlan" else self.tenant_network_type)


settings.declare("network", NetworkSettings)
