#!/usr/bin/python
"""Make or remove what a lab needs of the machine's network and kernel: three bridges, forwarding and masquerading."""

from __future__ import annotations

import ipaddress
import json
import shutil
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
---
module: lab_network
short_description: Make or remove the bridges and the masquerading of a lab
description:
  - Bridges C(labN-mgmt) and C(labN-ext) carry the machine's address (the first one of each network), C(labN-tun) carries none.
  - Management and external network reach the world through the machine, by the nft table C(inet cloud_lab_NAME).
  - Raises the settings of the machine's kernel that many hosts on it need, until the last lab goes.
options:
  lab: {type: str, required: true, description: Name of the lab.}
  index: {type: int, required: true, description: Index of the lab.}
  state: {type: str, choices: [present, absent], default: present, description: Wanted state.}
  management_cidr: {type: str, description: Management network.}
  external_cidr: {type: str, description: External network.}
"""

# The least that labs need of the machine's kernel: packets pass through, and hosts watch files, all of them in this machine's name
# (some nine times a host; Debian allows 128, and the next host does not boot). Whom each knows on each network stands in one table of
# the kernel (two dozen hosts that all speak to each other fill Debian's 1024 entries, and nobody finds anybody any more).
NEIGHBOURS = Path("/proc/sys/net/ipv4/neigh/default")
SETTINGS = {
    Path("/proc/sys/net/ipv4/ip_forward"): 1,
    Path("/proc/sys/fs/inotify/max_user_instances"): 4096,
    NEIGHBOURS / "gc_thresh2": 32768,
    NEIGHBOURS / "gc_thresh3": 65536,
}


class NetworkError(Exception):
    """What went wrong, where, and what to do."""


def run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NetworkError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class LabNetwork:
    """One lab's share of the machine's network; `apply` false only finds out what would change."""

    def __init__(self, lab: str, index: int, apply: bool) -> None:
        self.table = f"cloud_lab_{lab}"
        self.prefix = f"lab{index}"
        self.apply = apply

    def ensure_present(self, management: str, external: str) -> bool:
        self.refuse_taken_index()
        bridges = {"mgmt": first_address(management), "tun": None, "ext": first_address(external)}
        changed = [self.ensure_bridge(f"{self.prefix}-{suffix}", address) for suffix, address in bridges.items()]
        return any([*changed, self.ensure_settings(), self.ensure_table(management, external), self.ensure_passage()])

    def ensure_absent(self) -> bool:
        return any([self.drop_passage(), self.drop_table(), self.drop_links(), self.restore_settings()])

    # -- bridges; each bears the name of its lab as its alias

    def owner(self) -> str | None:
        """Whose bridges have this lab's index."""
        mine = [link["ifname"] for link in links() if link["ifname"].startswith(f"{self.prefix}-") and is_lab_bridge(link["ifname"])]
        return next((alias_of(name) for name in mine if alias_of(name)), None)

    def refuse_taken_index(self) -> None:
        owner = self.owner()
        if owner not in (None, self.table):
            raise NetworkError(f"bridges {self.prefix}-* belong to {owner}: give this lab another lab_index")

    def ensure_bridge(self, name: str, address: str | None) -> bool:
        link = next((link for link in links() if link["ifname"] == name), None)
        held = {f"{entry['local']}/{entry['prefixlen']}" for entry in link["addr_info"]} if link else set()
        if link and alias_of(name) and "UP" in link["flags"] and (address is None or address in held):
            return False
        if self.apply:
            if not link:
                self.refuse_overlap(address)
                # An address of its own keeps the bridge's from following its ports'.
                run("ip", "link", "add", name, "address", bridge_mac(name), "type", "bridge", "forward_delay", "0", "stp_state", "0")
            if address and address not in held:
                run("ip", "address", "add", address, "dev", name)
            run("ip", "link", "set", name, "up", "alias", self.table)
        return True

    def refuse_overlap(self, address: str | None) -> None:
        if address is None:
            return
        wanted = ipaddress.ip_interface(address).network
        for link in links():
            for entry in link["addr_info"]:
                if entry["family"] == "inet" and ipaddress.ip_address(entry["local"]) in wanted:
                    raise NetworkError(f"{link['ifname']} has {entry['local']} of lab network {wanted}: give this lab another lab_index")

    def drop_links(self) -> bool:
        if self.owner() not in (None, self.table):
            return False
        mine = [link["ifname"] for link in links() if link["ifname"].startswith(f"{self.prefix}-")]
        for name in mine if self.apply else []:
            # The other end of a pair goes with the first.
            if succeeds("ip", "link", "show", name):
                run("ip", "link", "delete", name)
        return bool(mine)

    # -- the kernel's settings; the last lab to go puts back what they were before the first

    def ensure_settings(self) -> bool:
        low = [path for path, least in SETTINGS.items() if int(path.read_text()) < least]
        for path in low if self.apply else []:
            before(path).write_text(path.read_text())
            path.write_text(str(SETTINGS[path]))
        return bool(low)

    def restore_settings(self) -> bool:
        others = [link for link in links() if is_lab_bridge(link["ifname"]) and not link["ifname"].startswith(f"{self.prefix}-")]
        raised = [path for path in SETTINGS if before(path).exists() and not others]
        for path in raised if self.apply else []:
            path.write_text(before(path).read_text())
            before(path).unlink()
        return bool(raised)

    # -- masquerading

    def ensure_table(self, management: str, external: str) -> bool:
        # The comment is the rule set's own description: equal comments mean equal rules.
        comment = f"masquerade {management} {external}"
        if f'"{comment}"' in self.table_text():
            return False
        if self.apply:
            rules = f"""table inet {self.table}
delete table inet {self.table}
table inet {self.table} {{
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {{ {management}, {external} }} oifname != "{self.prefix}-*" masquerade comment "{comment}"
    }}
}}
"""
            run("nft", "--file", "-", text=rules)
        return True

    def table_text(self) -> str:
        done = subprocess.run(["nft", "list", "table", "inet", self.table], capture_output=True, text=True, check=False)
        return done.stdout

    def drop_table(self) -> bool:
        if not self.table_text():
            return False
        if self.apply:
            run("nft", "delete", "table", "inet", self.table)
        return True

    # -- the machine's own firewall: a container engine or ufw sets the forward policy to drop

    def passage_rules(self) -> list[list[str]]:
        comment = ["-m", "comment", "--comment", self.table, "-j", "ACCEPT"]
        return [["FORWARD", "-i", f"{self.prefix}-+", *comment], ["FORWARD", "-o", f"{self.prefix}-+", *comment]]

    def ensure_passage(self) -> bool:
        if not shutil.which("iptables") or "-P FORWARD DROP" not in run("iptables", "-S", "FORWARD"):
            return False
        missing = [rule for rule in self.passage_rules() if not succeeds("iptables", "-C", *rule)]
        for rule in missing if self.apply else []:
            run("iptables", "-I", *rule)
        return bool(missing)

    def drop_passage(self) -> bool:
        if not shutil.which("iptables"):
            return False
        present = [rule for rule in self.passage_rules() if succeeds("iptables", "-C", *rule)]
        for rule in present if self.apply else []:
            run("iptables", "-D", *rule)
        return bool(present)


def before(setting: Path) -> Path:
    """Where a setting's former value is kept."""
    return Path("/run") / f"cloud_lab_{setting.name}"


def links() -> list[dict]:
    return json.loads(run("ip", "-json", "address", "show"))


def alias_of(name: str) -> str:
    return Path("/sys/class/net", name, "ifalias").read_text().strip()


def is_lab_bridge(name: str) -> bool:
    prefix, _, suffix = name.partition("-")
    return prefix.startswith("lab") and prefix[3:].isdigit() and suffix in ("mgmt", "tun", "ext")


def first_address(cidr: str) -> str:
    network = ipaddress.ip_network(cidr)
    return f"{network[1]}/{network.prefixlen}"


def bridge_mac(name: str) -> str:
    prefix, suffix = name.split("-")
    return f"52:54:{int(prefix[3:]):02x}:{['mgmt', 'tun', 'ext'].index(suffix):02x}:00:01"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "lab": {"type": "str", "required": True},
            "index": {"type": "int", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "management_cidr": {"type": "str"},
            "external_cidr": {"type": "str"},
        },
        required_if=[("state", "present", ["management_cidr", "external_cidr"])],
        supports_check_mode=True,
    )
    p = module.params
    network = LabNetwork(p["lab"], p["index"], apply=not module.check_mode)
    try:
        present = p["state"] == "present"
        changed = network.ensure_present(p["management_cidr"], p["external_cidr"]) if present else network.ensure_absent()
    except NetworkError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
