#!/usr/bin/python
"""Module `cloud_contents`: puts the first flavors, images and networks into a cloud, all in one session."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_contents
short_description: Makes the first flavors, images, networks and routers of a cloud
description:
  - Makes what is missing and mends what differs; anything else in the cloud is left alone.
  - Works on any OpenStack cloud, by openstacksdk, on the host that has it.
options:
  flavors:
    description: Public flavors, each C(name), C(vcpus), C(ram_mib), C(disk_gib).
    type: list
    elements: dict
    default: []
  images:
    description: Public images, each C(name), C(path), C(disk_format) and perhaps C(properties). One whose file is absent is passed over.
    type: list
    elements: dict
    default: []
  networks:
    description:
      - Networks, each C(name), C(subnet) (C(name), C(cidr), and perhaps C(gateway), C(dhcp), C(allocation_pools), C(dns_nameservers)).
      - An external one says C(external) true and the C(physical_network) it is flat on.
    type: list
    elements: dict
    default: []
  routers:
    description: Routers, each C(name), C(gateway) (the external network's name) and C(subnets) (names).
    type: list
    elements: dict
    default: []
extends_documentation_fragment:
  - cloud_session
author:
  - The maintainers
attributes:
  check_mode:
    description: Tells what would be made.
    support: full
"""

EXAMPLES = r"""
- name: Make a flavor and a network
  cloud_contents:
    cloud: quickstart
    flavors: [{name: tiny, vcpus: 1, ram_mib: 128, disk_gib: 1}]
    networks: [{name: private, subnet: {name: private, cidr: 10.0.0.0/24}}]
"""

RETURN = r"""
actions:
  description: What was done, or would be done, as sentences.
  type: list
  returned: success
"""

import hashlib
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cloud_contents_plan import flavor_arguments, flavor_differs, subnet_arguments, subnet_changes
from ansible.module_utils.cloud_session import SESSION_ARGUMENTS, Refusal, run

READ_SIZE_BYTES = 1024**2


class Furnisher:
    """Brings one cloud to the wishes, kind by kind, and keeps what it did as sentences."""

    def __init__(self, cloud, check_mode):
        self.cloud, self.check_mode, self.actions = cloud, check_mode, []

    def act(self, sentence, call):
        """Do it, unless only looking; either way it is told."""
        self.actions.append(sentence)
        return None if self.check_mode else call()

    def flavor(self, wish):
        """A public flavor of exactly these sizes."""
        name = wish["name"]
        found = next((flavor for flavor in self.cloud.compute.flavors() if flavor.name == name), None)
        if found is not None and flavor_differs(wish, found):
            self.act(f"remove flavor {name} of other sizes", lambda: self.cloud.compute.delete_flavor(found.id))
            found = None
        if found is None:
            self.act(f"make flavor {name}", lambda: self.cloud.compute.create_flavor(name=name, is_public=True, **flavor_arguments(wish)))

    def image(self, wish):
        """A public image whose content is the file's; an older one of the name gives way to it."""
        name, path = wish["name"], Path(wish["path"])
        if not path.exists():
            return
        digest = sha512_of(path)
        same_name = list(self.cloud.image.images(name=name))
        if any(image.hash_value == digest and image.status == "active" for image in same_name):
            return
        arguments = {"disk_format": wish["disk_format"], "container_format": "bare", "visibility": "public", **wish.get("properties", {})}
        self.act(
            f"upload image {name}", lambda: self.cloud.image.create_image(name, filename=str(path), validate_checksum=False, **arguments)
        )
        for image in same_name:
            self.act(f"remove older image {name} {image.id}", lambda image=image: self.cloud.image.delete_image(image.id))

    def network(self, wish):
        """A network with its one subnet."""
        name, subnet = wish["name"], wish["subnet"]
        network = self.cloud.network.find_network(name)
        if network is None:
            arguments = {"name": name}
            if wish.get("external"):
                arguments |= {
                    "is_router_external": True,
                    "provider_network_type": "flat",
                    "provider_physical_network": wish["physical_network"],
                }
            network = self.act(f"make network {name}", lambda: self.cloud.network.create_network(**arguments))
        found = self.cloud.network.find_subnet(subnet["name"], network_id=network.id) if network is not None else None
        if found is None:
            arguments = subnet_arguments(subnet)
            sentence = f"make subnet {subnet['name']} {subnet['cidr']}"
            self.act(sentence, lambda: self.cloud.network.create_subnet(name=subnet["name"], network_id=network.id, **arguments))
            return
        if found.cidr != subnet["cidr"]:
            raise Refusal(
                f"Subnet {subnet['name']} has {found.cidr}, not {subnet['cidr']}: a subnet's range cannot change; remove it or rename one."
            )
        changes = subnet_changes(subnet, found)
        if changes:
            self.act(f"change subnet {subnet['name']}: {', '.join(changes)}", lambda: self.cloud.network.update_subnet(found.id, **changes))

    def router(self, wish):
        """A router with its gateway and a port on every wished subnet."""
        name = wish["name"]
        external = self.cloud.network.find_network(wish["gateway"])
        router = self.cloud.network.find_router(name)
        if router is None:
            router = self.act(
                f"make router {name} to {wish['gateway']}",
                lambda: self.cloud.network.create_router(name=name, external_gateway_info={"network_id": external.id}),
            )
        elif (router.external_gateway_info or {}).get("network_id") != external.id:
            self.act(
                f"connect router {name} to {wish['gateway']}",
                lambda: self.cloud.network.update_router(router.id, external_gateway_info={"network_id": external.id}),
            )
        ports = list(self.cloud.network.ports(device_id=router.id)) if router is not None else []
        connected = {address["subnet_id"] for port in ports for address in port.fixed_ips}
        for subnet_name in wish["subnets"]:
            subnet = self.cloud.network.find_subnet(subnet_name)
            if subnet is None or subnet.id not in connected:
                sentence = f"connect router {name} to subnet {subnet_name}"
                self.act(sentence, lambda subnet=subnet: self.cloud.network.add_interface_to_router(router.id, subnet_id=subnet.id))


def sha512_of(path):
    """The file's SHA-512, read in pieces."""
    digest = hashlib.sha512()
    with path.open("rb") as file:
        while piece := file.read(READ_SIZE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def furnish(cloud, params, check_mode):
    """Bring the cloud to the module's parameters."""
    furnisher = Furnisher(cloud, check_mode)
    for kind in ("flavor", "image", "network", "router"):
        for wish in params[f"{kind}s"]:
            getattr(furnisher, kind)(wish)
    return {"changed": bool(furnisher.actions), "actions": furnisher.actions}


def main():
    """Read the wishes and grant them."""
    wishes = {name: {"type": "list", "elements": "dict", "default": []} for name in ("flavors", "images", "networks", "routers")}
    run(AnsibleModule(argument_spec=SESSION_ARGUMENTS | wishes, supports_check_mode=True), furnish)


if __name__ == "__main__":
    main()
