#!/usr/bin/python
"""Finds in a running cloud what Tempest's configuration must say about it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tempest_facts
short_description: Find what Tempest's configuration must say about a cloud
description:
  - Looks up ids, services, extensions and microversions in the running cloud, so that nothing of it is guessed.
options:
  image:
    description: Name of the image that tests boot.
    type: str
    required: true
  image_alt:
    description: Name of a second image.
    type: str
    required: true
  flavor:
    description: Name of the flavor that tests use.
    type: str
    required: true
  flavor_alt:
    description: Name of a larger flavor.
    type: str
    required: true
  public_network:
    description: Name of the external network.
    type: str
    required: true
extends_documentation_fragment:
  - cloud_session
author:
  - The cloudd authors (@cloudd)
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
"""

EXAMPLES = r"""
- name: Look at the cloud
  tempest_facts:
    cloud: quickstart
    image: tiny
    image_alt: tempest-alt
    flavor: tiny
    flavor_alt: small
    public_network: public
"""

RETURN = r"""
tempest_facts:
  description: Ids (image_id, image_alt_id, flavor_id, flavor_alt_id, public_network_id), services, network_extensions and microversions.
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cloud_session import SESSION_ARGUMENTS, find, run

NAMED = ("image", "image_alt", "flavor", "flavor_alt", "public_network")
VERSIONED = {"compute": "compute", "placement": "placement", "volume": "block-storage"}


def act(connection: Any, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Return the facts under the key tempest_facts."""
    searches = {
        "image": (connection.image.find_image, connection.image.images),
        "flavor": (connection.compute.find_flavor, connection.compute.flavors),
        "public_network": (connection.network.find_network, connection.network.networks),
    }
    kinds = {name: name.removesuffix("_alt") for name in NAMED}
    ids = {f"{name}_id": find(kinds[name], params[name], *searches[kinds[name]]).id for name in NAMED}
    services = sorted({entry["type"] for entry in connection.service_catalog})
    facts = {
        **ids,
        "services": services,
        "network_extensions": sorted(extension.alias for extension in connection.network.extensions()),
        "microversions": {name: highest_microversion(connection, service) for name, service in VERSIONED.items() if service in services},
    }
    return {"changed": False, "tempest_facts": facts}


def highest_microversion(connection: Any, service: str) -> str:
    """The highest that the service's endpoint offers, such as 2.96."""
    data = connection.session.get_endpoint_data(service_type=service, discover_versions=True)
    return ".".join(str(number) for number in data.max_microversion) if data.max_microversion else ""


def main() -> None:
    """Run as a module."""
    named = {name: {"type": "str", "required": True} for name in NAMED}
    run(AnsibleModule(argument_spec={**SESSION_ARGUMENTS, **named}, supports_check_mode=True), act)


if __name__ == "__main__":
    main()
