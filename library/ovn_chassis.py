#!/usr/bin/python
"""Module `ovn_chassis`: makes a host a chassis of OVN, its Open vSwitch database being the truth."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ovn_chassis
short_description: Sets the bridges and the Open vSwitch settings that ovn-controller reads
description:
  - Brings bridges C(br-int), C(br-ex), C(br-phy), their ports and the settings in the Open_vSwitch table to what is wanted.
  - All of it is one transaction.
  - Writes C(/etc/default/ovn-underlay), from which the unit C(ovn-underlay) takes its settings.
  - Other bridges, ports and settings are left alone.
  - All options without a default are needed with O(state=present).
options:
  name:
    description: The name by which the host is known as a chassis (its host name in the southbound database).
    type: str
  datapath:
    description: Whether packets are switched by the kernel's module (V(system)) or by ovs-vswitchd itself (V(netdev)).
    type: str
    choices: [system, netdev]
  southbound:
    description: Where the southbound database is, as C(ovn-remote) has it; the members of a cluster parted by commas.
    type: str
  encapsulation:
    description: How packets travel between chassis.
    type: str
    choices: [geneve, vxlan]
  tunnel:
    description: Where the host is on the tunnel network - C(interface), C(address), C(prefix).
    type: dict
  management_interface:
    description: The NIC by which the host is managed, which is never put on a bridge.
    type: str
  external_interface:
    description: NIC of the external network, empty for a bridge without one.
    type: str
    default: ""
  physical_network:
    description: Name of the external network in OVN.
    type: str
    default: external
  external:
    description: Whether the host is on the external network at all.
    type: bool
    default: false
  gateway:
    description: Whether routers may have their external side here.
    type: bool
    default: false
  segmentation_offload:
    description:
      - Whether the userspace datapath handles partial checksums and large segments. Fast, and guests need no special settings, but such
        packets cannot enter a tunnel - so only where there is one chassis.
    type: bool
    default: false
  ssl:
    description: The paths C(key), C(certificate), C(ca), needed when O(southbound) is of the ssl kind.
    type: dict
  state:
    description: With V(absent), the bridges, the settings and the devices they leave are removed.
    type: str
    choices: [present, absent]
    default: present
author:
  - The maintainers
attributes:
  check_mode:
    description: Tells what would be done.
    support: full
"""

EXAMPLES = r"""
- name: Make the host a chassis
  ovn_chassis:
    name: compute1
    datapath: system
    southbound: ssl:10.83.0.11:6642
    encapsulation: geneve
    tunnel: {interface: eth1, address: 10.83.1.12, prefix: 24}
    management_interface: eth0
"""

RETURN = r"""
commands:
  description: What was done to the Open vSwitch database, as arguments to ovs-vsctl.
  type: list
  returned: always
written:
  description: Paths of files that were written.
  type: list
  returned: with O(state=present)
"""

import json
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "name": {"type": "str"},
    "datapath": {"type": "str", "choices": ["system", "netdev"]},
    "southbound": {"type": "str"},
    "encapsulation": {"type": "str", "choices": ["geneve", "vxlan"]},
    "tunnel": {"type": "dict"},
    "management_interface": {"type": "str"},
    "external_interface": {"type": "str", "default": ""},
    "physical_network": {"type": "str", "default": "external"},
    "external": {"type": "bool", "default": False},
    "gateway": {"type": "bool", "default": False},
    "segmentation_offload": {"type": "bool", "default": False},
    "ssl": {"type": "dict"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}

UNDERLAY = Path("/etc/default/ovn-underlay")
SOCKET = Path("/run/openvswitch/db.sock")
# Devices of the userspace datapath, which stay when Open vSwitch stops.
DEVICES = ("ovs-netdev", "br-int", "br-ex", "br-phy")
INTEGRATION, EXTERNAL, PHYSICAL = "br-int", "br-ex", "br-phy"
# Settings this module owns; those of them that are not wanted are removed.
EXTERNAL_IDS = (
    "hostname",
    "ovn-remote",
    "ovn-encap-type",
    "ovn-encap-ip",
    "ovn-bridge-datapath-type",
    "ovn-bridge-mappings",
    "ovn-cms-options",
    "ovn-remote-probe-interval",
)
OFFLOAD = "userspace-tso-enable"
# A member that is switched off tells nobody: after two of these in silence, another is asked.
PROBE_MILLISECONDS = 3000


def plain(value):
    """A value of OVSDB's JSON as Python has it: map → dict, set → list."""
    if isinstance(value, list) and len(value) == 2:
        kind, content = value
        if kind == "map":
            return dict(content)
        if kind == "set":
            return [plain(item) for item in content]
        if kind == "uuid":
            return content
    return value


def rows(text):
    """The rows of `ovs-vsctl --format=json list`."""
    table = json.loads(text or '{"headings": [], "data": []}')
    return [dict(zip(table["headings"], map(plain, row), strict=True)) for row in table["data"]]


def as_list(value):
    """OVSDB writes a set of one as the value itself."""
    return value if isinstance(value, list) else [value]


def wanted_settings(params):
    """The external_ids and other_config of the Open_vSwitch table."""
    ids = {
        "hostname": params["name"],
        "ovn-remote": params["southbound"],
        "ovn-encap-type": params["encapsulation"],
        "ovn-encap-ip": params["tunnel"]["address"],
        "ovn-remote-probe-interval": str(PROBE_MILLISECONDS),
    }
    if params["datapath"] == "netdev":
        ids["ovn-bridge-datapath-type"] = "netdev"
    if params["external"]:
        ids["ovn-bridge-mappings"] = f"{params['physical_network']}:{EXTERNAL}"
    if params["gateway"]:
        ids["ovn-cms-options"] = "enable-chassis-as-gw"
    config = {OFFLOAD: "true"} if params["datapath"] == "netdev" and params["segmentation_offload"] else {}
    return ids, config


def tunnel_nic(params, bridges):
    """The NIC of the tunnel network that br-phy must hold; empty when the kernel routes tunnels or the NIC must not be touched."""
    if params["datapath"] != "netdev" or params["tunnel"]["interface"] == params["management_interface"]:
        return ""
    if params["tunnel"]["interface"] == PHYSICAL:
        held = [port for port in bridges.get(PHYSICAL, {}).get("ports", []) if port != PHYSICAL]
        return held[0] if held else ""
    return params["tunnel"]["interface"]


def wanted_bridges(params, nic):
    """Bridge → its datapath type, whether it drops what no rule allows, and its NIC."""
    datapath = params["datapath"]
    bridges = {INTEGRATION: {"datapath_type": datapath, "fail_mode": "secure", "nic": ""}}
    if params["external"]:
        bridges[EXTERNAL] = {"datapath_type": datapath, "fail_mode": "", "nic": params["external_interface"]}
    if nic:
        bridges[PHYSICAL] = {"datapath_type": datapath, "fail_mode": "", "nic": nic}
    return bridges


def plan(settings, bridges, wanted_ids, wanted_config, wanted):
    """The ovs-vsctl commands that lead from what is to what is wanted; empty when nothing is to be done."""
    commands = []
    ids, config = settings.get("external_ids", {}), settings.get("other_config", {})
    for key in EXTERNAL_IDS:
        if key in wanted_ids and ids.get(key) != wanted_ids[key]:
            commands.append(["set", "open_vswitch", ".", f"external_ids:{key}={json.dumps(wanted_ids[key])}"])
        elif key in ids and key not in wanted_ids:
            commands.append(["remove", "open_vswitch", ".", "external_ids", key])
    if OFFLOAD in wanted_config and config.get(OFFLOAD) != wanted_config[OFFLOAD]:
        commands.append(["set", "open_vswitch", ".", f"other_config:{OFFLOAD}={wanted_config[OFFLOAD]}"])
    elif OFFLOAD in config and OFFLOAD not in wanted_config:
        commands.append(["remove", "open_vswitch", ".", "other_config", OFFLOAD])
    holder = {port: name for name, bridge in bridges.items() for port in bridge["ports"]}
    for name in (INTEGRATION, EXTERNAL, PHYSICAL):
        if name not in wanted:
            commands += [["del-br", name]] if name in bridges else []
            continue
        bridge, want = bridges.get(name), wanted[name]
        if bridge is None:
            commands.append(["add-br", name])
            bridge = {"datapath_type": "", "fail_mode": "", "ports": [name]}
        # Ovs means the kernel's datapath by an empty type too.
        if (bridge["datapath_type"] or "system") != want["datapath_type"]:
            commands.append(["set", "bridge", name, f"datapath_type={want['datapath_type']}"])
        if want["fail_mode"] and bridge["fail_mode"] != want["fail_mode"]:
            commands.append(["set-fail-mode", name, want["fail_mode"]])
        if want["nic"] and want["nic"] not in bridge["ports"]:
            # The network had another NIC before; patch ports are OVN's own.
            commands += [["del-port", name, port] for port in bridge["ports"] if port != name and not port.startswith("patch-")]
            commands += [["del-port", want["nic"]]] if want["nic"] in holder else []
            commands.append(["add-port", name, want["nic"]])
    return commands


def underlay_text(params, nic):
    """The settings of the unit ovn-underlay."""
    tunnel = params["tunnel"]
    offload = "off" if params["datapath"] == "netdev" and not params["segmentation_offload"] else "on"
    lines = [
        "# Written by the deployment; read by /usr/local/sbin/ovn-underlay.",
        f"EXTERNAL_INTERFACE={params['external_interface'] if params['external'] else ''}",
        f"TUNNEL_INTERFACE={nic}",
        f"TUNNEL_BRIDGE={PHYSICAL if nic else ''}",
        f"TUNNEL_ADDRESS={tunnel['address']}/{tunnel['prefix']}",
        f"OFFLOAD={offload}",
    ]
    return "\n".join(lines) + "\n"


class Vsctl:
    """The local Open vSwitch database, by ovs-vsctl."""

    def __init__(self, module):
        self.module = module

    def __call__(self, *arguments):
        status, out, errors = self.module.run_command(["ovs-vsctl", "--timeout=30", *arguments])
        if status:
            self.module.fail_json(
                msg=f"ovs-vsctl {' '.join(arguments)[:300]} failed: {errors.strip()}",
                code="ovn.switch_unreachable",
                remedy="see that openvswitch-switch runs: systemctl status ovsdb-server ovs-vswitchd",
            )
        return out

    def transact(self, commands):
        """All commands or none."""
        if commands:
            self(*[part for command in commands for part in ("--", *command)][1:])

    def bridges(self):
        """Bridge → datapath_type, fail_mode, names of its ports."""
        ports = {row["_uuid"]: row["name"] for row in rows(self("--format=json", "--columns=_uuid,name", "list", "port"))}
        found = rows(self("--format=json", "--columns=name,datapath_type,fail_mode,ports", "list", "bridge"))
        return {
            row["name"]: {
                "datapath_type": row["datapath_type"],
                "fail_mode": "".join(as_list(row["fail_mode"])),
                "ports": [ports.get(port, "") for port in as_list(row["ports"])],
            }
            for row in found
        }

    def settings(self):
        """external_ids and other_config of the Open_vSwitch table."""
        return rows(self("--format=json", "--columns=external_ids,other_config", "list", "open_vswitch"))[0]

    def ssl(self):
        """The three paths set for ssl, as one string."""
        return " ".join(line.split(": ", 1)[1] for line in self("get-ssl").splitlines()[:3] if ": " in line)


def remove(module, vsctl):
    """Take bridges and settings away, and the devices that outlive Open vSwitch; returns the module's result."""
    commands = []
    if SOCKET.exists():
        bridges = vsctl.bridges()
        commands = plan(vsctl.settings(), bridges, {}, {}, {})
        if not module.check_mode:
            vsctl.transact(commands)
            if not set(bridges) - {INTEGRATION, EXTERNAL, PHYSICAL}:
                # Nobody else uses the switch: it takes its datapath along. The unit's own stop leaves that for the next start.
                module.run_command(["ovs-appctl", "--timeout=10", "exit", "--cleanup"])
    # Not by /sys, which in a container may show its machine's links.
    present = [name for name in DEVICES if module.run_command(["ip", "link", "show", "dev", name])[0] == 0]
    left = [] if commands and module.check_mode else present
    if not module.check_mode:
        for name in left:
            module.run_command(["ip", "link", "delete", name])
    return {"changed": bool(commands or left), "commands": [" ".join(command) for command in commands]}


def main() -> None:
    """Compare and act."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_if=[("state", "present", ("name", "datapath", "southbound", "encapsulation", "tunnel", "management_interface"))],
        supports_check_mode=True,
    )
    params, vsctl = module.params, Vsctl(module)
    if params["state"] == "absent":
        module.exit_json(**remove(module, vsctl))
    # In check mode the switch may still have to come; then it has nothing.
    there = SOCKET.exists() or not module.check_mode
    settings, bridges = (vsctl.settings(), vsctl.bridges()) if there else ({}, {})
    nic = tunnel_nic(params, bridges)
    commands = plan(settings, bridges, *wanted_settings(params), wanted_bridges(params, nic))
    ssl = params["ssl"] or {}
    paths = [ssl[part] for part in ("key", "certificate", "ca")] if ssl else []
    if paths and (not there or vsctl.ssl() != " ".join(paths)):
        commands.insert(0, ["set-ssl", *paths])
    underlay = underlay_text(params, nic)
    before = UNDERLAY.read_text() if UNDERLAY.exists() else ""
    rewrite = before != underlay
    shown = "".join(f"ovs-vsctl {' '.join(command)}\n" for command in commands)
    diff = [{"before": before, "after": underlay, "before_header": str(UNDERLAY), "after_header": str(UNDERLAY)}, {"prepared": shown}]
    if not module.check_mode:
        if rewrite:
            UNDERLAY.write_text(underlay)
        vsctl.transact(commands)
        if any(OFFLOAD in part for command in commands for part in command):
            # Read by ovs-vswitchd only when it starts.
            module.run_command(["systemctl", "restart", "ovs-vswitchd.service"], check_rc=True)
    told = [" ".join(command) for command in commands]
    module.exit_json(changed=bool(commands or rewrite), commands=told, written=[str(UNDERLAY)] if rewrite else [], diff=diff)


if __name__ == "__main__":
    main()
