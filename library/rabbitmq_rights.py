#!/usr/bin/python
"""Module `rabbitmq_rights`: the bus's virtual host, and its users with the rights that each needs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rabbitmq_rights
short_description: Keeps the cloud's virtual host in RabbitMQ, its users, their passwords and their rights
description:
  - Needs to run on one node of a cluster only; the others learn of it.
  - Takes away the user V(guest), and V(agent-…) of hosts that are not named. Other users are left alone.
  - Passwords are sealed before they leave the module, and are not shown.
options:
  secret:
    description: From it and the user's name comes each user's password.
    type: str
    required: true
  agent_hosts:
    description: Hosts whose agents have an account.
    type: list
    elements: str
    required: true
author:
  - The maintainers
attributes:
  check_mode:
    description: Tells what would be done.
    support: full
"""

EXAMPLES = r"""
- name: Give the control plane and each host what is theirs
  rabbitmq_rights:
    secret: "{{ bus_password }}"
    agent_hosts: [cmp1, cmp2]
  run_once: true
"""

RETURN = r"""
given:
  description: What was made or put right, as kind and name.
  type: list
  returned: always
removed:
  description: Users that were taken away.
  type: list
  returned: always
"""

import json
import os
import pwd
import tempfile

from ansible.module_utils import bus_rights
from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "secret": {"type": "str", "required": True, "no_log": True},
    "agent_hosts": {"type": "list", "elements": "str", "required": True},
}

CTL = ["rabbitmqctl", "--quiet"]
#: What names an entry of each kind.
KEYS = {"vhosts": ["name"], "users": ["name"], "permissions": ["user", "vhost"], "topic_permissions": ["user", "vhost", "exchange"]}


def missing(present, wanted):
    """The entries of `wanted` that `present` lacks or has otherwise; passwords sealed, ready to be imported."""
    found = {}
    for kind, entries in wanted.items():
        known = {_key(kind, entry): entry for entry in present.get(kind, [])}
        lacking = [entry for entry in entries if not _same(kind, known.get(_key(kind, entry)), entry)]
        if lacking:
            found[kind] = [_sealed(entry) if kind == "users" else entry for entry in lacking]
    return found


def superfluous(present, wanted):
    """Users that nobody should have."""
    names = {user["name"] for user in wanted["users"]}
    return sorted(
        user["name"]
        for user in present.get("users", [])
        if user["name"] not in names and (user["name"] == "guest" or user["name"].startswith("agent-"))
    )


def _key(kind, entry):
    return tuple(entry[name] for name in KEYS[kind])


def _same(kind, known, entry):
    if known is None:
        return False
    if kind == "vhosts":
        return (known.get("metadata") or known).get("default_queue_type") == entry["default_queue_type"]
    if kind == "users":
        return bus_rights.fits(entry["password"], known["password_hash"])
    return all(known.get(name) == value for name, value in entry.items())


def _sealed(user):
    kept = {"password_hash": bus_rights.sealed(user["password"]), "hashing_algorithm": "rabbit_password_hashing_sha256"}
    return {"name": user["name"], "tags": user["tags"], **kept}


def main() -> None:
    """Compare and act."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    wanted = bus_rights.definitions(module.params["agent_hosts"], module.params["secret"])
    if module.check_mode and module.get_bin_path("rabbitmqctl") is None:
        module.exit_json(changed=True, given=["everything"], removed=[])
    status, text, errors = module.run_command([*CTL, "export_definitions", "-"])
    if status:
        if module.check_mode:
            module.exit_json(changed=True, given=["everything"], removed=[])
        module.fail_json(
            msg=f"rabbitmq.silent: the node does not tell what it holds: {errors.strip() or text.strip()}",
            code="rabbitmq.silent",
            remedy="rabbitmqctl status tells whether it runs; its log is in /var/log/rabbitmq",
        )
    present = json.loads(text[text.index("{") :])
    lacking, leaving = missing(present, wanted), superfluous(present, wanted)
    if not module.check_mode:
        for vhost in lacking.pop("vhosts", []):
            _make_vhost(module, vhost, present)
        if lacking:
            _give(module, lacking)
        for user in leaving:
            module.run_command([*CTL, "delete_user", user], check_rc=True)
    given = sorted(f"{kind} {' '.join(_key(kind, entry))}" for kind, entries in missing(present, wanted).items() for entry in entries)
    module.exit_json(changed=bool(given or leaving), given=given, removed=leaving)


def _make_vhost(module, vhost, present) -> None:
    known = any(entry["name"] == vhost["name"] for entry in present.get("vhosts", []))
    verb = "update_vhost_metadata" if known else "add_vhost"
    module.run_command([*CTL, verb, vhost["name"], "--default-queue-type", vhost["default_queue_type"]], check_rc=True)


def _give(module, entries) -> None:
    """By a file that the broker's user alone can read: what stands on a command line can be seen."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        os.fchmod(file.fileno(), 0o400)
        os.fchown(file.fileno(), pwd.getpwnam("rabbitmq").pw_uid, -1)
        json.dump(entries, file)
        file.flush()
        module.run_command([*CTL, "import_definitions", file.name], check_rc=True)


if __name__ == "__main__":
    main()
