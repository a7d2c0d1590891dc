#!/usr/bin/python
"""Make, start, cut off or remove one host of a lab: an overlay on the base root, booted by systemd-nspawn."""

from __future__ import annotations

import socket
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.lab_disk import create, mount, set_names, unlay
from ansible.module_utils.lab_place import LabError, Place, is_running, wait_until
from ansible.module_utils.lab_power import LostPort, plug_in, start, stop

DOCUMENTATION = r"""
---
module: lab_host
short_description: Make, start, cut off or remove one host of a lab
description:
  - A lab host is a Debian system of its own in a container, with systemd, ssh and three NICs
    (C(host0) management, C(tunnel0), C(external0) without address).
  - Runs on the machine that carries the lab, as root.
options:
  name: {type: str, description: "Host name; without it, C(absent) removes every host that the lab has on this machine."}
  lab: {type: str, required: true, description: Name of the lab.}
  state:
    type: str
    choices: [started, stopped, absent]
    default: started
    description: C(stopped) pulls the power cord; nothing inside is asked.
  cache_directory: {type: path, required: true, description: Where the lab keeps its files.}
  index: {type: int, description: Index of the lab.}
  address: {type: str, description: Management address; its last number is the host's number in every network.}
  management_cidr: {type: str, description: "Management network; its first address is the gateway."}
  tunnel_cidr: {type: str, description: Tunnel network.}
  runner: {type: path, description: The script that keeps the container running.}
  authorized_key_path: {type: path, description: Public ssh key of root.}
  addresses: {type: dict, description: Name and management address of every host of the lab.}
  nameservers: {type: list, elements: str, description: Resolvers; without them those of this machine.}
  disk_gib: {type: int, default: 0, description: Size of the host's disk; 0 lets it share the machine's.}
  layers:
    type: list
    elements: path
    default: []
    description: "Directories that a new host's disk is laid on, the topmost first; without any, the base root."
  timeout_seconds: {type: int, default: 60, description: How long ssh may take to answer.}
"""


def ssh_answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def remove(place: Place) -> bool:
    stop(place)
    return unlay(place)


def ensure_started(place: Place, p: dict) -> bool:
    changed = False
    if not (place.directory / "made").exists():
        stop(place)
        create(place, p)
        changed = True
    changed |= mount(place)
    changed |= set_names(place, p)
    try:
        if is_running(place):
            changed |= plug_in(p)
        else:
            start(place, p)
            changed = True
    except LostPort:
        start(place, p)
        changed = True
    address = p["address"]
    complaint = f"{place.name} does not answer ssh at {address} after {p['timeout_seconds']} s: see {place.directory}/log"
    wait_until(lambda: ssh_answers(address), p["timeout_seconds"], complaint)
    return changed


def would_change(place: Place, state: str) -> bool:
    if state == "absent":
        return place.directory.exists()
    return is_running(place) != (state == "started")


def change(place: Place, p: dict) -> bool:
    if p["state"] == "started":
        return ensure_started(place, p)
    return stop(place) if p["state"] == "stopped" else remove(place)


def remove_lab(cache: Path, lab: str, apply: bool) -> bool:
    """Remove every host the lab has on this machine: an inventory may have lost some since."""
    directory = cache / "labs" / lab
    if not directory.exists():
        return False
    for host in directory.iterdir() if apply else []:
        remove(Place(cache, lab, host.name))
    if apply:
        directory.rmdir()
    return True


def main() -> None:
    text = {"type": "str"}
    path = {"type": "path"}
    module = AnsibleModule(
        argument_spec={
            "name": text,
            "lab": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped", "absent"], "default": "started"},
            "cache_directory": {"type": "path", "required": True},
            "index": {"type": "int"},
            "address": text,
            "management_cidr": text,
            "tunnel_cidr": text,
            "runner": path,
            "authorized_key_path": path,
            "addresses": {"type": "dict"},
            "nameservers": {"type": "list", "elements": "str"},
            "layers": {"type": "list", "elements": "path", "default": []},
            "disk_gib": {"type": "int", "default": 0},
            "timeout_seconds": {"type": "int", "default": 60},
        },
        required_if=[
            ("state", "stopped", ["name"]),
            (
                "state",
                "started",
                ["name", "index", "address", "management_cidr", "tunnel_cidr", "runner", "authorized_key_path", "addresses"],
            ),
        ],
        supports_check_mode=True,
    )
    p = module.params
    cache = Path(p["cache_directory"]).resolve()
    try:
        if not p["name"]:
            changed = remove_lab(cache, p["lab"], apply=not module.check_mode)
        else:
            place = Place(cache, p["lab"], p["name"])
            changed = would_change(place, p["state"]) if module.check_mode else change(place, p)
    except LabError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
