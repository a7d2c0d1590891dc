"""Action `inventory_precheck`: finds what is wrong with the inventory itself, before any host is touched."""

from __future__ import annotations

import difflib
import ipaddress
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

# Variables that no single role owns.
SHARED_VARIABLES = frozenset({"api_address", "cloud_name", "cloud_networks", "external_interface"})
NETWORKS = ("management", "tunnel", "external")
PLANES = ("control", "network", "compute", "storage", "monitoring")
ROUTER_IDS = range(1, 256)
LIKENESS = 0.88

Problem = dict[str, str]


def problem(code: str, reason: str, remedy: str) -> Problem:
    """One thing that is wrong, in the shape the operator's command shows."""
    return {"code": code, "reason": reason, "remedy": remedy}


def group_problems(groups: Mapping[str, list[str]], required: Iterable[str], *, lives: bool = False) -> Iterator[Problem]:
    """Every plane of the cloud has a host, and every host of a plane is in `baremetal`. `lives`: even_control tells of the controllers."""
    for name in required:
        if not groups.get(name):
            yield problem("inventory.group_empty", f"group {name} has no host", f"put at least one host into {name} in hosts.yml")
    if not lives:
        yield from even_control(groups.get("control", []))
    idle = set(groups.get("all", [])) - {host for name in PLANES for host in groups.get(name, [])}
    if idle:
        remedy = f"put each into one of {', '.join(PLANES)} in hosts.yml, or take it out of the inventory"
        yield problem("inventory.host_idle", f"{', '.join(sorted(idle))} are in no plane, so nothing would be installed there", remedy)
    outside = {host for name in required for host in groups.get(name, [])} - set(groups.get("baremetal", []))
    if outside:
        remedy = "make every group a child of baremetal, as inventory/multinode/hosts.yml does"
        yield problem("inventory.not_baremetal", f"{', '.join(sorted(outside))} are not in the group baremetal", remedy)


def even_control(controllers: list[str]) -> Iterator[Problem]:
    """An even number bears no more losses than one less. A cloud that lives may have it until a lost host is replaced."""
    if len(controllers) % 2 == 0 and controllers:
        remedy = "take one host out of control or add one: databases and queues decide by majority, and an even number bears no more losses"
        yield problem("inventory.control_even", f"group control has {len(controllers)} hosts ({', '.join(sorted(controllers))})", remedy)


def network_problems(networks: Mapping[str, Any]) -> Iterator[Problem]:
    """The three networks are there, readable, apart from each other, and the external one can give addresses."""
    read: dict[str, ipaddress.IPv4Network | ipaddress.IPv6Network] = {}
    for name in NETWORKS:
        cidr = str((networks.get(name) or {}).get("cidr", ""))
        try:
            read[name] = ipaddress.ip_network(cidr)
        except ValueError:
            remedy = "write it as the network's own address and prefix, such as 10.0.0.0/24"
            yield problem("inventory.cidr_invalid", f"cloud_networks.{name}.cidr is {cidr!r}", remedy)
    names = sorted(read)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            if read[one].version == read[other].version and read[one].overlaps(read[other]):
                remedy = "give each network a range of its own"
                yield problem("inventory.networks_overlap", f"{one} {read[one]} and {other} {read[other]} overlap", remedy)
    if "external" in read:
        yield from external_problems(networks["external"], read["external"])


def external_problems(external: Mapping[str, Any], network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Iterator[Problem]:
    """The external network's gateway and pools lie inside it, and the pools leave the gateway out."""
    try:
        gateway = ipaddress.ip_address(str(external.get("gateway", "")))
        pools = [(ipaddress.ip_address(str(p["start"])), ipaddress.ip_address(str(p["end"]))) for p in external.get("allocation_pools", [])]
    except (ValueError, KeyError) as error:
        remedy = "give gateway one address and every allocation pool a start and an end"
        yield problem("inventory.external_invalid", f"cloud_networks.external is not complete: {error}", remedy)
        return
    if gateway not in network:
        remedy = "name the router of the external network, an address inside its CIDR"
        yield problem("inventory.gateway_outside", f"gateway {gateway} is not in {network}", remedy)
    if not pools:
        remedy = "name at least one range of free addresses: floating IPs come from there"
        yield problem("inventory.pool_missing", "cloud_networks.external has no allocation_pools", remedy)
    for start, end in pools:
        if start not in network or end not in network or int(start) > int(end):
            remedy = "keep the pool inside the network, its start before its end"
            yield problem("inventory.pool_outside", f"pool {start} to {end} is not a range of {network}", remedy)
        elif int(start) <= int(gateway) <= int(end):
            remedy = "leave the gateway out of the pool"
            yield problem("inventory.pool_holds_gateway", f"pool {start} to {end} holds the gateway {gateway}", remedy)


def address_problems(api_address: str, cloud_name: str) -> Iterator[Problem]:
    """The API's address is an address, and the cloud has a name."""
    try:
        ipaddress.ip_address(api_address)
    except ValueError:
        remedy = "set api_address to the virtual address, or on one host to its management address"
        yield problem("inventory.api_address_invalid", f"api_address is {api_address!r}", remedy)
    if not cloud_name:
        yield problem("inventory.cloud_name_missing", "cloud_name is not set", "set cloud_name: it names the cloud in clouds.yaml")


def virtual_address_problems(
    api_address: str, management: Mapping[str, Any], addresses: Mapping[str, str], controllers: list[str], router_id: Any
) -> Iterator[Problem]:
    """Several control hosts share an address of the management network that is no host's own, and a VRRP id. `addresses`: by host."""
    if len(controllers) < 2:
        return
    try:
        address, network = ipaddress.ip_address(api_address), ipaddress.ip_network(str(management.get("cidr", "")))
    except ValueError:
        return  # told already
    if address not in network:
        remedy = "set api_address to a free address of the management network"
        yield problem("inventory.virtual_address_outside", f"api_address {address} is not in the management network {network}", remedy)
    for host in sorted(host for host, its in addresses.items() if its == api_address):
        remedy = f"set api_address to an address that no host has; it moves between {', '.join(sorted(controllers))}"
        yield problem("inventory.virtual_address_is_a_hosts", f"api_address {address} is {host}'s own address", remedy)
    if not str(router_id).isdigit() or int(router_id) not in ROUTER_IDS:
        remedy = "set it to a number from 1 to 255 that nobody else on the management network uses"
        yield problem("inventory.virtual_router_id_invalid", f"keepalived_virtual_router_id is {router_id!r}", remedy)


def misspelled(used: Mapping[str, str], known: Iterable[str]) -> Iterator[Problem]:
    """Variables of the inventory (name → file) that look like one of ours and are none: Ansible itself would ignore them silently."""
    names = sorted(known)
    for name, file in used.items():
        near = difflib.get_close_matches(name, names, n=1, cutoff=LIKENESS) if name not in names else []
        if near:
            yield problem("inventory.variable_unknown", f"{file} sets {name}, which nothing reads", f"did you mean {near[0]}?")


def _sentence(found: Problem) -> str:
    return f"[{found['code']}] {found['reason']}: {found['remedy']}"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Arguments: `required_groups`, `networks`, `api_address`, `cloud_name`, `virtual_router_id`, `roles_directory`, `lives`.

    Returns `problems`, what this machine is (`deployer_python`, `deployer_architecture`), and `warnings` (bad for a new cloud only).
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look at everything and tell all of it at once."""
        super().run(tmp, task_vars)
        variables, arguments = task_vars or {}, self._task.args
        lives = bool(arguments.get("lives", False))
        problems = [
            *group_problems(variables["groups"], arguments["required_groups"], lives=lives),
            *network_problems(arguments["networks"] or {}),
            *address_problems(str(arguments["api_address"] or ""), str(arguments["cloud_name"] or "")),
            *virtual_address_problems(
                str(arguments["api_address"] or ""),
                (arguments["networks"] or {}).get("management") or {},
                {host: str(variables["hostvars"][host].get("ansible_host", host)) for host in variables["groups"]["all"]},
                variables["groups"].get("control", []),
                arguments["virtual_router_id"],
            ),
            *misspelled(self._variables_of(Path(variables["inventory_dir"])), self._known_variables(Path(arguments["roles_directory"]))),
        ]
        result = {
            "changed": False,
            "problems": problems,
            "deployer_python": f"{sys.version_info.major}.{sys.version_info.minor}",
            "deployer_architecture": platform.machine(),
        }
        warnings = [_sentence(one) for one in even_control(variables["groups"].get("control", []))] if lives else []
        if warnings:
            result |= {"warnings": warnings, "shown": "\n".join(warnings)}
        if problems:
            result |= {"failed": True, "msg": "; ".join(map(_sentence, problems))}
        return result

    def _variables_of(self, inventory: Path) -> dict[str, str]:
        """The variables that the inventory's group_vars and host_vars set, each with its file."""
        files = [path for kind in ("group_vars", "host_vars") for path in sorted((inventory / kind).rglob("*.yml"))]
        return {str(name): str(path.relative_to(inventory)) for path in files for name in self._load(path)}

    def _known_variables(self, roles: Path) -> set[str]:
        """What is read: the roles' defaults, the options they declare, and every word of the playbooks."""
        known = set(SHARED_VARIABLES)
        for path in (roles.parent / "playbooks").glob("*.yml"):
            known.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
        for path in roles.glob("*/defaults/main.yml"):
            known.update(map(str, self._load(path)))
        for path in roles.glob("*/meta/argument_specs.yml"):
            for entry in (self._load(path).get("argument_specs") or {}).values():
                known.update(map(str, entry.get("options") or {}))
        return known

    def _load(self, path: Path) -> Mapping[str, Any]:
        return self._loader.load_from_file(str(path), cache="all") or {}
