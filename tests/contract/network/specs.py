"""Specs that the engine tests use, each as a function so that a test changes only what it is about."""

from typing import Any
from uuid import uuid4

from cloudd.network.drivers.base import (
    FixedIp,
    Nat,
    NetworkSpec,
    PortSpec,
    Route,
    RouterPort,
    RouterSpec,
    SecurityGroupSpec,
    SecurityRule,
    SubnetSpec,
)


def subnet(**values: Any) -> SubnetSpec:
    given = {"id": str(uuid4()), "cidr": "10.0.0.0/24", "ip_version": 4, "gateway_ip": "10.0.0.1", "metadata_address": "10.0.0.2"}
    return SubnetSpec(**(given | values))


def network(**values: Any) -> NetworkSpec:
    given = {"id": str(uuid4()), "revision": 1, "name": "net", "mtu": 1442, "network_type": "geneve", "subnets": (subnet(),)}
    return NetworkSpec(**(given | values))


def port(of: NetworkSpec, **values: Any) -> PortSpec:
    given = {
        "id": str(uuid4()),
        "revision": 1,
        "name": "p",
        "network_id": of.id,
        "mac_address": "fa:16:3e:00:00:01",
        "fixed_ips": tuple(FixedIp(item.id, "10.0.0.10") for item in of.subnets[:1]),
    }
    return PortSpec(**(given | values))


def router(**values: Any) -> RouterSpec:
    inside = RouterPort(port_id=str(uuid4()), mac_address="fa:16:3e:00:00:02", addresses=("10.0.0.1/24",), mtu=1442)
    outside = RouterPort(port_id=str(uuid4()), mac_address="fa:16:3e:00:00:03", addresses=("192.0.2.5/24",), mtu=1500, gateway=True)
    given = {
        "id": str(uuid4()),
        "revision": 1,
        "name": "r",
        "ports": (inside, outside),
        "routes": (Route("0.0.0.0/0", "192.0.2.1"),),
        "nats": (Nat(id="snat-a", kind="snat", external="192.0.2.5", logical="10.0.0.0/24"),),
    }
    return RouterSpec(**(given | values))


def group(**values: Any) -> SecurityGroupSpec:
    rule = SecurityRule(id=str(uuid4()), direction="ingress", ethertype="IPv4", protocol="tcp", port_range_min=22, port_range_max=22)
    given = {"id": str(uuid4()), "revision": 1, "name": "g", "rules": (rule,)}
    return SecurityGroupSpec(**(given | values))
