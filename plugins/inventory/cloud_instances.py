"""Lists the instances of an OpenStack cloud as Ansible's hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cloud_instances
short_description: The instances of a cloud as hosts
description:
  - Reads the instances of an OpenStack cloud and makes a host of each, with the instance's facts as variables.
  - Each host is in a group of its project (C(project_NAME)), of its status (C(status_active)), of each of its tags (C(tag_NAME))
    and of each of its metadata (C(KEY_VALUE)).
  - Its file is named C(cloud_instances.yml), or ends in C(.cloud_instances.yml).
author:
  - The cloudd authors (@cloudd)
requirements:
  - openstacksdk >= 4.0
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description:
      - Says that the file belongs to this plugin.
    required: true
    choices: [cloud_instances]
  cloud:
    description:
      - Name of the cloud in C(clouds.yaml). Without it, the environment's C(OS_*) variables are used.
    type: str
    env:
      - name: OS_CLOUD
  all_projects:
    description:
      - Whether to list the instances of every project, for which the cloud wants an administrator.
    type: bool
    default: false
  statuses:
    description:
      - Only instances of these statuses are hosts. An empty list means every status.
    type: list
    elements: str
    default: [ACTIVE]
  address:
    description:
      - Which address becomes C(ansible_host). V(floating) is the floating IP, or the fixed one of an instance that has none;
        V(fixed) is always the fixed one.
    type: str
    choices: [floating, fixed]
    default: floating
  network:
    description:
      - Name or id of the network whose address to use. Without it, the instance's first.
    type: str
  host_name:
    description:
      - What to call a host. Where several instances have the same name, the id is added to it.
    type: str
    choices: [name, id]
    default: name
notes:
  - Variables of a host are the fields that M(cloud_instance_info) returns, in C(cloud_instance), and C(ansible_host).
"""

EXAMPLES = r"""
# cloud_instances.yml
plugin: cloud_instances
cloud: quickstart
statuses: [ACTIVE, SHUTOFF]
keyed_groups:
  - key: cloud_instance.flavor
    prefix: flavor
compose:
  ansible_user: "'root'"
cache: true
cache_plugin: jsonfile
cache_connection: .cache/ansible/instances
"""

from collections import Counter
from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

# Ansible shows the repository's module_utils to modules only; a plugin on this side must find them itself.
ansible.module_utils.__path__.append(str(Path(__file__).resolve().parents[1] / "module_utils"))
from ansible.module_utils.cloud_instance_view import instance_views

try:
    import openstack
    from openstack import exceptions as sdk_errors
except ImportError:  # said by parse(), with the remedy
    openstack = None  # type: ignore[assignment]


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]
    """Ansible's face of this plugin."""

    NAME = "cloud_instances"

    def verify_file(self, path: str) -> bool:
        """Whether the file's name is one of this plugin's."""
        return super().verify_file(path) and path.endswith(("cloud_instances.yml", "cloud_instances.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory from the cloud, or from the cache if it is on and fresh."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        cache_key = self.get_cache_key(path)
        wants_cache = self.get_option("cache")
        views = None
        if wants_cache and cache:
            views = self._cache.get(cache_key)
        if views is None:
            views = self._ask_cloud()
            if wants_cache:
                self._cache[cache_key] = views
        self._add_hosts(views)

    def _ask_cloud(self) -> list[dict[str, Any]]:
        """Views of the instances, each with the name of its project."""
        if openstack is None:
            raise AnsibleParserError("The inventory plugin cloud_instances needs openstacksdk: pip install openstacksdk")
        all_projects = self.get_option("all_projects")
        try:
            connection = openstack.connect(cloud=self.get_option("cloud"), app_name="cloud_instances")
            servers = list(connection.compute.servers(details=True, all_projects=all_projects))
            projects = project_names(connection, all_projects)
            views = instance_views(connection, servers)
        except sdk_errors.SDKException as error:
            where = self.get_option("cloud") or "named by the environment"
            raise AnsibleParserError(f"The instances of cloud {where} cannot be listed: {error}. Check clouds.yaml.") from error
        return [{**view, "project": projects.get(view["project_id"], view["project_id"])} for view in views]

    def _add_hosts(self, views: list[dict[str, Any]]) -> None:
        statuses = {status.upper() for status in self.get_option("statuses")}
        shown = [view for view in views if not statuses or view["status"] in statuses]
        namesakes = Counter(view["name"] for view in shown)
        for view in sorted(shown, key=lambda view: (view["name"], view["id"])):
            host = host_name(view, self.get_option("host_name"), namesakes)
            self._add_host(host, view)

    def _add_host(self, host: str, view: dict[str, Any]) -> None:
        self.inventory.add_host(host)
        variables: dict[str, Any] = {"cloud_instance": view}
        address = address_of(view, self.get_option("address"), self.get_option("network"))
        if address:
            variables["ansible_host"] = address
        for name, value in variables.items():
            self.inventory.set_variable(host, name, value)
        for group in groups_of(view):
            self.inventory.add_host(host, group=self.inventory.add_group(self._sanitize_group_name(group)))
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)


def project_names(connection: Any, all_projects: bool) -> dict[str, str]:
    """Names by id: of every project for an administrator, else of the session's own."""
    if all_projects:
        return {project.id: project.name for project in connection.identity.projects()}
    current = connection.current_project
    return {current.id: current.name}


def host_name(view: dict[str, Any], kind: str, namesakes: Counter[str]) -> str:
    """The instance's name, or its id; both, where the name alone would be ambiguous."""
    if kind == "id":
        return str(view["id"])
    return str(view["name"]) if namesakes[view["name"]] == 1 else f"{view['name']}-{view['id']}"


def address_of(view: dict[str, Any], kind: str, network: str | None) -> str | None:
    """The address to log in to, or None if the instance has none of that network."""
    interfaces = [one for one in view["networks"] if network in (None, one["network"], one["network_id"])]
    fixed = [address for one in interfaces for address in one["fixed_ips"]]
    floating = [address for one in interfaces for address in one["floating_ips"]] if kind == "floating" else []
    return next(iter([*floating, *fixed]), None)


def groups_of(view: dict[str, Any]) -> list[str]:
    """Names of the groups of an instance, not yet fit for Ansible."""
    return [
        f"project_{view['project']}",
        f"status_{view['status'].lower()}",
        *(f"{key}_{value}" if value else key for key, value in view["metadata"].items()),
        *(f"tag_{tag}" for tag in view["tags"]),
    ]
