"""The facts of one server that its guest may ask for, and the tree of files they make."""

import base64
import json
from typing import Any

import msgspec

# The versions that guests look for; the contents are the same, newer files appear beside the old.
OPENSTACK_VERSIONS = (
    *("2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30"),
    *("2016-10-06", "2017-02-22", "2018-08-27", "2020-10-14", "latest"),
)
EC2_VERSIONS = (
    *("1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10"),
    *("2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04", "latest"),
)


class NicFacts(msgspec.Struct, kw_only=True):
    """One NIC as the guest should set it up; an address carries its prefix length, gateway and name servers."""

    port_id: str
    network_id: str
    network_name: str = ""
    mac_address: str
    mtu: int = 1500
    tag: str | None = None
    addresses: list["AddressFacts"] = []
    floating_addresses: list[str] = []


class AddressFacts(msgspec.Struct, kw_only=True):
    """One fixed address; `dhcp` says that the guest may simply ask for it."""

    address: str
    version: int = 4
    prefix_length: int = 0
    gateway: str = ""
    name_servers: list[str] = []
    dhcp: bool = True


class ServerFacts(msgspec.Struct, kw_only=True):
    """All that the guest may know. `user_data` is base64, as the API takes it."""

    server_id: str
    name: str
    hostname: str
    project_id: str
    availability_zone: str = "nova"
    launch_index: int = 0
    reservation_id: str = ""
    instance_type: str = ""
    image_id: str = ""
    key_name: str = ""
    public_key: str = ""
    key_type: str = "ssh"
    metadata: dict[str, str] = {}
    user_data: str = ""
    admin_password: str = ""
    random_seed: str = ""
    security_groups: list[str] = []
    nics: list[NicFacts] = []
    devices: list[dict[str, Any]] = []


def tree(facts: ServerFacts) -> dict[str, bytes]:
    """Every file a guest can read, by its path without a leading slash: openstack/… and ec2/…."""
    files: dict[str, bytes] = {}
    openstack = openstack_files(facts)
    for version in OPENSTACK_VERSIONS:
        files |= {f"openstack/{version}/{name}": content for name, content in openstack.items()}
    ec2 = json.dumps(ec2_metadata(facts)).encode()
    for version in ("2009-04-04", "latest"):
        files[f"ec2/{version}/meta-data.json"] = ec2
        if facts.user_data:
            files[f"ec2/{version}/user-data"] = base64.b64decode(facts.user_data)
    return files


def openstack_files(facts: ServerFacts) -> dict[str, bytes]:
    """The files of one version's directory."""
    files = {
        "meta_data.json": json.dumps(openstack_metadata(facts)).encode(),
        "network_data.json": json.dumps(network_data(facts)).encode(),
        "vendor_data.json": b"{}",
        "vendor_data2.json": b"{}",
    }
    if facts.user_data:
        files["user_data"] = base64.b64decode(facts.user_data)
    return files


def openstack_metadata(facts: ServerFacts) -> dict[str, Any]:
    """openstack/<version>/meta_data.json."""
    document: dict[str, Any] = {
        "uuid": facts.server_id,
        "name": facts.name,
        "hostname": facts.hostname,
        "project_id": facts.project_id,
        "availability_zone": facts.availability_zone,
        "launch_index": facts.launch_index,
        "meta": facts.metadata,
        "devices": facts.devices,
        "dedicated_cpus": [],
    }
    if facts.random_seed:
        document["random_seed"] = facts.random_seed
    if facts.admin_password:
        document["admin_pass"] = facts.admin_password
    if facts.public_key:
        document["public_keys"] = {facts.key_name: facts.public_key}
        document["keys"] = [{"name": facts.key_name, "type": facts.key_type, "data": facts.public_key}]
    return document


def network_data(facts: ServerFacts) -> dict[str, Any]:
    """openstack/<version>/network_data.json: links, networks on them, and the cloud's name servers."""
    links: list[dict[str, Any]] = []
    networks: list[dict[str, Any]] = []
    services: list[dict[str, Any]] = []
    for nic in facts.nics:
        link_id = f"tap{nic.port_id[:11]}"
        links.append({"id": link_id, "vif_id": nic.port_id, "type": "ovs", "mtu": nic.mtu, "ethernet_mac_address": nic.mac_address})
        for address in nic.addresses:
            networks.append(_network(f"network{len(networks)}", link_id, nic.network_id, address))
            for server in address.name_servers:
                service = {"type": "dns", "address": server}
                if service not in services:
                    services.append(service)
    return {"links": links, "networks": networks, "services": services}


def _network(name: str, link_id: str, network_id: str, address: AddressFacts) -> dict[str, Any]:
    if address.dhcp:
        return {"id": name, "type": f"ipv{address.version}_dhcp", "link": link_id, "network_id": network_id}
    any_address = "0.0.0.0" if address.version == 4 else "::"  # noqa: S104  (a route, nothing binds to it)
    return {
        "id": name,
        "type": f"ipv{address.version}",
        "link": link_id,
        "network_id": network_id,
        "ip_address": address.address,
        "netmask": str(address.prefix_length) if address.version == 6 else _netmask(address.prefix_length),
        "routes": [{"network": any_address, "netmask": any_address, "gateway": address.gateway}] if address.gateway else [],
        "services": [{"type": "dns", "address": server} for server in address.name_servers],
    }


def _netmask(prefix_length: int) -> str:
    bits = (0xFFFFFFFF << (32 - prefix_length)) & 0xFFFFFFFF
    return ".".join(str(bits >> shift & 0xFF) for shift in (24, 16, 8, 0))


def ec2_metadata(facts: ServerFacts) -> dict[str, Any]:
    """The EC2 tree; a dict is a directory, a list a file of lines."""
    fixed = [address.address for nic in facts.nics for address in nic.addresses if address.version == 4]
    floating = [address for nic in facts.nics for address in nic.floating_addresses]
    document: dict[str, Any] = {
        "ami-id": facts.image_id and f"ami-{facts.image_id[:8]}",
        "ami-launch-index": str(facts.launch_index),
        "ami-manifest-path": "",
        "block-device-mapping": {"ami": "vda", "root": "/dev/vda"},
        "hostname": facts.hostname,
        "instance-action": "none",
        "instance-id": f"i-{facts.server_id[:8]}",
        "instance-type": facts.instance_type,
        "local-hostname": facts.hostname,
        "local-ipv4": fixed[0] if fixed else "",
        "placement": {"availability-zone": facts.availability_zone},
        "public-hostname": facts.hostname,
        "public-ipv4": floating[0] if floating else "",
        "reservation-id": facts.reservation_id,
        "security-groups": facts.security_groups,
    }
    if facts.public_key:
        document["public-keys"] = {"0": {"_name": f"0={facts.key_name}", "openssh-key": facts.public_key}}
    return document
