#!/usr/bin/python
"""Module `peer_precheck`: finds what is wrong between hosts: addresses that two hold, peers that are silent, paths too narrow or shut."""

from __future__ import annotations

DOCUMENTATION = r"""
module: peer_precheck
short_description: Checks a host against the other hosts of its cloud and against strangers on its networks
description:
  - Looks and changes nothing. Sends ARP probes and ICMP echo requests, tries TCP ports, and listens for VRRP.
  - IPv4 only; an IPv6 network is passed over.
  - Fails when anything is wrong here, what M(host_precheck) found included.
options:
  name:
    description: This host's name in O(hosts).
    type: str
    required: true
  hosts:
    description: By name, of this host and the others, the view that M(host_precheck) returns.
    type: dict
    required: true
  peers:
    description: The names of those that this host must reach. One that has no view is passed over.
    type: list
    elements: str
    default: []
  groups:
    description: The hosts of each group that O(ports) names.
    type: dict
    default: {}
  ports:
    description:
      - TCP ports of the cloud, each C(port) with the C(group) whose hosts serve it on the management network, and C(from), the groups
        whose hosts must reach it there. A host that serves a port of the group already is not tried, so no living cloud is disturbed.
    type: list
    elements: dict
    default: []
  problems:
    description: What M(host_precheck) found wrong with this host.
    type: list
    elements: dict
    default: []
  tunnel_mtu:
    description: Least MTU of the tunnel network, on every NIC and on the way to every peer.
    type: int
    default: 1500
  virtual_address:
    description: The virtual address that this host may hold. Empty where it may hold none.
    type: str
    default: ""
  virtual_router_id:
    description: The VRRP id with which this host's keepalived will speak. 0 where it has none.
    type: int
    default: 0
  listen_seconds:
    description: How long to listen for somebody else's VRRP; a router speaks once a second.
    type: float
    default: 2.5
author:
  - The maintainers
attributes:
  check_mode:
    description: Changes nothing in either mode.
    support: full
"""

EXAMPLES = r"""
- name: Check the host among its peers
  peer_precheck:
    name: ctl1
    peers: [ctl2]
    hosts:
      ctl1: {networks: {management: {interface: eth0, address: 10.83.0.11, mac: "52:54:00:00:00:11", mtu: 1500}}, served: []}
      ctl2: {networks: {management: {interface: eth0, address: 10.83.0.12, mac: "52:54:00:00:00:12", mtu: 1500}}, served: []}
    groups: {control: [ctl1, ctl2]}
    ports: [{port: 3306, group: control, from: [control]}]
"""

RETURN = r"""
problems:
  description: What is wrong, each with C(code), C(reason) and C(remedy).
  type: list
  returned: always
"""

import concurrent.futures
import ipaddress

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.network_probe import holders, reach, routers, swallowed

ICMP_HEADERS_BYTES = 28
ECHO_BYTES = 56
# So many ports are told by number.
NAMED = 6


def problem(code, reason, remedy):
    """One thing that is wrong, in the shape the operator's command shows."""
    return {"code": code, "reason": reason, "remedy": remedy}


def shared_address_problems(networks, peers):
    """No address of this host is another host's too."""
    for peer in peers:
        for name, mine in networks.items():
            theirs = peer["networks"].get(name)
            if theirs and theirs["address"] == mine["address"]:
                remedy = "give each host an address of its own, and mend ansible_host in hosts.yml"
                yield problem("network.address_duplicate", f"{mine['address']} ({name}) is also {peer['name']}'s", remedy)


def mtu_problems(networks, tunnel_mtu):
    """The tunnel's NIC carries a guest's packet with the tunnel's own header around it."""
    tunnel = networks.get("tunnel")
    if tunnel and int(tunnel["mtu"]) < tunnel_mtu:
        remedy = f"set the NIC's MTU to {tunnel_mtu}, or lower prechecks_tunnel_mtu (guests get 58 less)"
        reason = f"{tunnel['interface']} on the tunnel network has MTU {tunnel['mtu']}, {tunnel_mtu} are needed"
        yield problem("network.mtu_small", reason, remedy)


def peer_problems(networks, peers, tunnel_mtu, reach):
    """Every peer answers on every network, and on the tunnel's also to packets of full size.

    `reach(source, targets, size_bytes)` tells who answered.
    """
    for name, mine in networks.items():
        others = {peer["networks"][name]["address"]: peer["name"] for peer in peers if name in peer["networks"]}
        others.pop(mine["address"], None)
        answered = reach(mine["address"], set(others), ECHO_BYTES)
        for address in sorted(set(others) - answered):
            remedy = f"look at cables, VLANs and firewalls; `ping -I {mine['interface']} {address}` here shows it"
            yield problem("network.peer_unreachable", f"{others[address]} ({address}) does not answer on the {name} network", remedy)
        if name == "tunnel" and int(mine["mtu"]) >= tunnel_mtu:
            for address in sorted(answered - reach(mine["address"], answered, tunnel_mtu - ICMP_HEADERS_BYTES)):
                example = f"ping -M do -s {tunnel_mtu - ICMP_HEADERS_BYTES} {address}"
                remedy = f"let every switch between the hosts carry {tunnel_mtu} bytes; `{example}` shows it"
                yield problem("network.path_mtu_small", f"packets of {tunnel_mtu} bytes do not reach {others[address]} ({address})", remedy)


def wanted_ports(name, peers, groups, ports):
    """(peer's name, address, port) of what this host must reach on the management network.

    A peer that serves some port of a group already is passed over: a call from here might take the place of one that is awaited.
    """
    mine = {group for group, hosts in groups.items() if name in hosts}
    reached = [wanted for wanted in ports if mine & set(wanted.get("from", []))]
    for peer in peers:
        address = peer["networks"].get("management", {}).get("address")
        at_work = {wanted["group"] for wanted in ports if int(wanted["port"]) in peer["served"]}
        for wanted in reached:
            if address and wanted["group"] not in at_work and peer["name"] in groups.get(wanted["group"], []):
                yield peer["name"], address, int(wanted["port"])


def port_problems(source, wanted, swallowed):
    """No firewall keeps this host from a port it needs. `swallowed(source, targets)` tells those (address, port) that answer no call."""
    shut = swallowed(source, {(address, port) for _, address, port in wanted})
    for name, address in sorted({(name, address) for name, address, port in wanted if (address, port) in shut}):
        ports = sorted({port for other, at, port in wanted if other == name and (at, port) in shut})
        told = ", ".join(map(str, ports[:NAMED])) + (", …" if ports[NAMED:] else "")
        remedy = f"let {source} in at TCP {told} on {name}: see `nft list ruleset` there, and firewalls between the two"
        yield problem("network.port_filtered", f"a firewall swallows calls to {name} ({address}), TCP {told}", remedy)


def holder_problems(networks, peers, virtual_address, holders):
    """Nobody else answers for an address of ours; for the virtual one only hosts of this cloud.

    `holders(interface, address)` tells the MACs that answer.
    """
    management = networks.get("management")
    wanted = [(mine["interface"], mine["address"]) for mine in networks.values()]
    wanted += [(management["interface"], virtual_address)] if virtual_address and management else []
    with concurrent.futures.ThreadPoolExecutor(max(len(wanted), 1)) as pool:
        answers = dict(zip(wanted, pool.map(lambda pair: holders(*pair), wanted), strict=True))
    for mine in networks.values():
        strangers = answers[mine["interface"], mine["address"]] - {mine["mac"]}
        # That another host of ours has it is told with that host's name.
        strangers -= {theirs["mac"] for peer in peers for theirs in peer["networks"].values() if theirs["address"] == mine["address"]}
        for mac in sorted(strangers):
            remedy = f"find the machine with {mac} and give it another address"
            yield problem("network.address_taken", f"{mac} answers for this host's address {mine['address']}", remedy)
    if virtual_address and management:
        ours = {entry["mac"] for host in ({"networks": networks}, *peers) for entry in host["networks"].values()}
        for mac in sorted(answers[management["interface"], virtual_address] - ours):
            remedy = f"set api_address to a free address of the management network, or take it from the machine with {mac}"
            reason = f"{mac}, no host of this cloud, answers for api_address {virtual_address}"
            yield problem("network.virtual_address_taken", reason, remedy)


def vrrp_problems(networks, peers, router_id, seen):
    """Nobody else speaks VRRP with our id. `seen`: (source address, router id) of what was heard."""
    ours = {entry["address"] for host in ({"networks": networks}, *peers) for entry in host["networks"].values()}
    for source in sorted({source for source, other_id in seen if other_id == router_id and source not in ours}):
        remedy = "set keepalived_virtual_router_id to an id (1 to 255) that nobody on the management network uses"
        yield problem("network.vrrp_id_taken", f"{source}, no host of this cloud, speaks VRRP with id {router_id}", remedy)


def seen(host):
    """A host's view without the networks that are not IPv4."""
    networks = {name: entry for name, entry in host["networks"].items() if ipaddress.ip_address(entry["address"]).version == 4}
    return {"networks": networks, "served": host.get("served", [])}


def problems_among(wanted):
    """What is wrong between this host and the others, by the module's parameters; the probes run side by side."""
    hosts, name, router_id = wanted["hosts"], wanted["name"], wanted["virtual_router_id"]
    networks = seen(hosts[name])["networks"]
    # Whoever is looked at is known for one of ours, also where nothing has to be reached.
    others = [{"name": host} | seen(view) for host, view in hosts.items() if host != name and view]
    peers = [other for other in others if other["name"] in wanted["peers"]]
    management = networks.get("management")
    # Where a peer does not answer at all, that is told, and nothing of its ports.
    needed = list(wanted_ports(name, peers, wanted["groups"], wanted["ports"])) if management else []

    def shut_ports():
        living = reach(management["address"], {address for _, address, _ in needed}, ECHO_BYTES)
        return port_problems(management["address"], [entry for entry in needed if entry[1] in living], swallowed)

    checks = [
        lambda: shared_address_problems(networks, others),
        lambda: mtu_problems(networks, wanted["tunnel_mtu"]) if peers else [],
        lambda: peer_problems(networks, peers, wanted["tunnel_mtu"], reach),
        lambda: holder_problems(networks, others, wanted["virtual_address"], holders),
    ]
    if needed:
        checks.append(shut_ports)
    if router_id and management:
        checks.append(lambda: vrrp_problems(networks, others, router_id, routers(management["interface"], wanted["listen_seconds"])))
    with concurrent.futures.ThreadPoolExecutor(len(checks)) as pool:
        return [found for answer in pool.map(lambda check: list(check()), checks) for found in answer]


def main():
    """Probe, judge, answer."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "hosts": {"type": "dict", "required": True},
            "peers": {"type": "list", "elements": "str", "default": []},
            "groups": {"type": "dict", "default": {}},
            "ports": {"type": "list", "elements": "dict", "default": []},
            "problems": {"type": "list", "elements": "dict", "default": []},
            "tunnel_mtu": {"type": "int", "default": 1500},
            "virtual_address": {"type": "str", "default": ""},
            "virtual_router_id": {"type": "int", "default": 0},
            "listen_seconds": {"type": "float", "default": 2.5},
        },
        supports_check_mode=True,
    )
    problems = module.params["problems"] + problems_among(module.params)
    if problems:
        module.fail_json(msg="; ".join(f"[{p['code']}] {p['reason']}: {p['remedy']}" for p in problems), problems=problems)
    module.exit_json(changed=False, problems=[])


if __name__ == "__main__":
    main()
