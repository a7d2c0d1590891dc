"""The fake cloud's networks, ports, security groups and floating IPs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openstack.network.v2.floating_ip import FloatingIP
from openstack.network.v2.network import Network
from openstack.network.v2.port import Port
from openstack.network.v2.security_group import SecurityGroup

from .shelf import Shelf


class FakeNetwork:
    """Stands where connection.network does."""

    def __init__(self, cloud: Any) -> None:
        self.__cloud = cloud
        self.__networks = Shelf(Network)
        self.__groups = Shelf(SecurityGroup)
        self.__ports = Shelf(Port)
        self.__ips = Shelf(FloatingIP)
        self.__count = 10

    def add_network(self, name: str, network_id: str, external: bool = False) -> None:
        """Have a network from the start."""
        self.__networks.put(network_id, name=name, is_router_external=external)

    def add_security_group(self, name: str) -> None:
        """Have a security group from the start."""
        self.__groups.put(f"group-{name}", name=name)

    def add_port(
        self, network_id: str, device_id: str, fixed_ip: str | None = None, group_ids: list[str] | None = None, name: str = ""
    ) -> Any:
        """Make a port as the compute service does for an instance."""
        self.__count += 1
        port_id = f"port-{self.__count}"
        return self.__ports.put(
            port_id,
            name=name,
            network_id=network_id,
            device_id=device_id,
            mac_address=f"fa:16:3e:00:00:{self.__count:02x}",
            fixed_ips=[{"subnet_id": f"subnet-{network_id}", "ip_address": fixed_ip or f"10.0.0.{self.__count}"}],
            security_group_ids=group_ids or ["group-default"],
            created_at=f"2026-01-01T00:00:{self.__count:02}Z",
        )

    def drop_port(self, port_id: str) -> None:
        """Remove a port as the compute service does with an instance; its floating IPs stay, unbound."""
        self.__ports.kept.pop(port_id, None)
        for attributes in self.__ips.kept.values():
            if attributes.get("port_id") == port_id:
                attributes["port_id"] = None

    def find_network(self, name_or_id: str, ignore_missing: bool = True) -> Any:
        return self.__networks.find(name_or_id, ignore_missing)

    def networks(self, **query: Any) -> Iterator[Any]:
        external = query.get("is_router_external")
        return (network for network in self.__networks.all() if external in (None, network.is_router_external))

    def find_security_group(self, name_or_id: str, ignore_missing: bool = True) -> Any:
        return self.__groups.find(name_or_id, ignore_missing)

    def security_groups(self) -> Iterator[Any]:
        return self.__groups.all()

    def find_port(self, name_or_id: str, ignore_missing: bool = True) -> Any:
        return self.__ports.find(name_or_id, ignore_missing)

    def ports(self, **query: Any) -> Iterator[Any]:
        device_id = query.get("device_id")
        return (port for port in self.__ports.all() if device_id in (None, port.device_id))

    def update_port(self, port: str, **attrs: Any) -> Any:
        self.__cloud.calls.append("update_port")
        self.__ports.kept[port].update(attrs)
        return self.__ports.get(port)

    def ips(self) -> Iterator[Any]:
        return self.__ips.all()

    def create_ip(self, **attrs: Any) -> Any:
        self.__cloud.calls.append("create_ip")
        self.__count += 1
        return self.__ips.put(f"ip-{self.__count}", floating_ip_address=f"203.0.113.{self.__count}", **attrs)

    def update_ip(self, floating_ip: str, **attrs: Any) -> Any:
        self.__cloud.calls.append("update_ip")
        self.__ips.kept[floating_ip].update(attrs)
        return self.__ips.get(floating_ip)

    def delete_ip(self, floating_ip: str, ignore_missing: bool = True) -> None:
        self.__cloud.calls.append("delete_ip")
        self.__ips.kept.pop(floating_ip, None)
