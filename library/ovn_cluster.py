#!/usr/bin/python
"""Module `ovn_cluster`: makes this host's databases of OVN members of their clusters, lets them leave, or expels lost ones."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ovn_cluster
short_description: Membership of OVN's databases in their RAFT clusters
description:
  - With O(state=present), founds the clusters, turns a lone database into one, or joins those that live.
    That is decided from the state of all control hosts, so that no order of theirs matters and no second cluster can come to be.
  - With one control host and no cluster, nothing is done - its databases stand alone.
  - With O(state=absent), the host's own servers leave their clusters, handing over what they lead.
    Refused where that would break the quorum.
  - With O(state=expelled), the servers of the hosts in O(addresses), which are gone for good, are taken out; run on a living member.
options:
  state:
    description: See above.
    type: str
    choices: [present, absent, expelled]
    default: present
  name:
    description: This host's name in O(members).
    type: str
  members:
    description: All control hosts with their addresses on the management network.
    type: dict
    default: {}
  found:
    description: By host, the databases that M(ovn_cluster_info) told of it. A host that could not be asked is missing.
    type: dict
    default: {}
  election_timer_milliseconds:
    description: How long members wait for a sign of their leader before they elect another; taken when a cluster is founded.
    type: int
    default: 2000
  addresses:
    description: Addresses of lost hosts, for O(state=expelled).
    type: list
    elements: str
    default: []
  timeout_seconds:
    description: How long leaving, or to expel somebody, may take.
    type: int
    default: 60
author:
  - The maintainers
attributes:
  check_mode:
    description: Tells what would be done.
    support: full
"""

EXAMPLES = r"""
- name: Make the databases members
  ovn_cluster:
    name: "{{ inventory_hostname }}"
    members: {ctl1: 10.84.0.11, ctl2: 10.84.0.12, ctl3: 10.84.0.13}
    found: "{{ databases_by_host }}"
"""

RETURN = r"""
actions:
  description: What was done, by database.
  type: dict
  returned: always
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.ovn_membership import DATABASES, SCHEMAS, Refused, address_of, decide, departed, quorum, state_of

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent", "expelled"], "default": "present"},
    "name": {"type": "str"},
    "members": {"type": "dict", "default": {}},
    "found": {"type": "dict", "default": {}},
    "election_timer_milliseconds": {"type": "int", "default": 2000},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "timeout_seconds": {"type": "int", "default": 60},
}
BACKUP = ".before-cluster"


def commands_for(database, plan, own_address, election_timer):
    """The ovsdb-tool call that makes the file of a new member."""
    local = address_of(own_address, database.cluster_port)
    if plan["action"] == "join":
        cluster = [f"--cid={plan['cluster_id']}"] if plan["cluster_id"] else []
        remotes = [address_of(remote, database.cluster_port) for remote in plan["remotes"]]
        return ["ovsdb-tool", *cluster, "join-cluster", database.path, SCHEMAS[database.name], local, *remotes]
    contents = database.path + BACKUP if plan["action"] == "convert" else database.schema_path
    return ["ovsdb-tool", f"--election-timer={election_timer}", "create-cluster", database.path, contents, local]


def become_member(module, database, plan, own_address):
    """Put the new file in the place of the old one, which is kept beside it, while nobody serves it."""
    module.run_command(["systemctl", "stop", database.unit], check_rc=True)
    os.makedirs(os.path.dirname(database.path), exist_ok=True)
    if os.path.exists(database.path):
        os.replace(database.path, database.path + BACKUP)
    module.run_command(commands_for(database, plan, own_address, module.params["election_timer_milliseconds"]), check_rc=True)


def present(module):
    """Decide for both databases before either is touched; returns the actions."""
    params = module.params
    plans = {}
    for name in DATABASES:
        states = {host: (databases or {}).get(name) for host, databases in params["found"].items()}
        plans[name] = decide(params["name"], params["members"], states)
    for name, plan in plans.items():
        if plan["action"] != "keep" and not module.check_mode:
            become_member(module, DATABASES[name], plan, params["members"][params["name"]])
    return {name: plan["action"] for name, plan in plans.items() if plan["action"] != "keep"}


def absent(module):
    """Leave the clusters and throw the files away; returns the actions."""
    actions = {}
    for name, database in DATABASES.items():
        state = state_of(database, module.run_command)
        if state["kind"] != "cluster":
            continue
        if not state["running"]:
            raise Refused(
                "ovn.member_not_running",
                f"the {name} database is down and cannot leave",
                f"systemctl start {database.unit}",
            )
        if len(state["servers"]) == 1:
            raise Refused("ovn.last_member", f"no other member of the {name} cluster is left", "add another control host first")
        actions[name] = "leave"
        if module.check_mode:
            continue
        _leave(module, name, database)
        module.run_command(["systemctl", "stop", database.unit], check_rc=True)
        os.replace(database.path, database.path + BACKUP)
    return actions


def _leave(module, name, database):
    base = ["ovn-appctl", "--timeout=10", "-t", database.control]
    module.run_command([*base, "cluster/leave", SCHEMAS[name]], check_rc=True)
    deadline = time.monotonic() + module.params["timeout_seconds"]
    while time.monotonic() < deadline:
        status, out, _ = module.run_command([*base, "cluster/status", SCHEMAS[name]])
        if status or "left cluster" in out:
            return
        time.sleep(0.5)
    raise Refused(
        "ovn.leave_timed_out",
        f"the {name} database did not leave its cluster in {module.params['timeout_seconds']} s: too few members live to agree",
        "see `ovn-appctl -t /run/ovn/ovnnb_db.ctl cluster/status OVN_Northbound` on the others, and start those that are down",
    )


def expelled(module):
    """Take the servers of lost hosts out; returns the actions."""
    actions = {}
    for name, database in DATABASES.items():
        state = state_of(database, module.run_command)
        lost = departed(state, module.params["addresses"])
        left = len(state["servers"]) - len(lost)
        if lost and left < quorum(len(state["servers"])):
            raise Refused(
                "ovn.no_quorum",
                f"{left} of {len(state['servers'])} members of the {name} cluster would be left, which cannot agree on anything",
                "bring one of them back first; where all others are lost for good, see docs/networking.md",
            )
        for server in lost:
            actions.setdefault(name, []).append(server)
            if not module.check_mode:
                _kick(module, name, database, server)
    return actions


def _kick(module, name, database, server):
    """Ask for it until it is done: whoever leads takes one change at a time, and without a leader the request is lost."""
    deadline = time.monotonic() + module.params["timeout_seconds"]
    while time.monotonic() < deadline:
        module.run_command(["ovn-appctl", "--timeout=20", "-t", database.control, "cluster/kick", SCHEMAS[name], server])
        time.sleep(0.5)
        if server not in state_of(database, module.run_command)["servers"]:
            return
    raise Refused(
        "ovn.expel_timed_out",
        f"the {name} cluster did not let {server} go in {module.params['timeout_seconds']} s: too few members live to agree",
        "see `ovn-appctl -t /run/ovn/ovnnb_db.ctl cluster/status OVN_Northbound` on those that stay, and start those that are down",
    )


def main() -> None:
    """Compare and act."""
    module = AnsibleModule(argument_spec=ARGUMENTS, required_if=[("state", "present", ("name", "members"))], supports_check_mode=True)
    try:
        actions = {"present": present, "absent": absent, "expelled": expelled}[module.params["state"]](module)
    except Refused as refused:
        module.fail_json(msg=f"{refused.code}: {refused.message}", code=refused.code, remedy=refused.remedy)
    module.exit_json(changed=bool(actions), actions=actions)


if __name__ == "__main__":
    main()
