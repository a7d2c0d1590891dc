#!/usr/bin/python
"""Module `rabbitmq_member`: the host's node is one of its cluster, and holds its copy of every quorum queue."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rabbitmq_member
short_description: Brings RabbitMQ's node on this host into the cluster of the others, or takes a host out of it
description:
  - Nodes without data join by themselves as they start. This waits until all are one cluster.
  - A node that was left alone joins the larger one.
  - Which one that is follows from what lives, never from the order of hosts. A node that holds queues is not made to forget them.
options:
  members:
    description: The hosts of all nodes.
    type: list
    elements: str
    default: []
  lost:
    description: With V(expelled), the hosts that are gone.
    type: list
    elements: str
    default: []
  state:
    description:
      - With V(present), run on each node, it becomes one of O(members).
      - With V(absent), the node on this host leaves the others, and forgets everything.
      - With V(expelled), run on one node that stays, those on the hosts in O(lost) are taken out. They do not run any more.
    type: str
    choices: [present, absent, expelled]
    default: present
  timeout_seconds:
    description: How long to wait until the nodes are one cluster.
    type: int
    default: 180
author:
  - The maintainers
attributes:
  check_mode:
    description: Tells what would be done.
    support: full
"""

EXAMPLES = r"""
- name: Make the nodes one cluster
  rabbitmq_member:
    members: [ctl1, ctl2, ctl3]

- name: Take a host that burnt down out of the cluster
  rabbitmq_member:
    lost: [ctl3]
    state: expelled
"""

RETURN = r"""
actions:
  description: What was done, as arguments of rabbitmqctl and rabbitmq-queues.
  type: list
  returned: always
"""

import json
import time
from typing import NamedTuple

from ansible.module_utils import bus_rights
from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "members": {"type": "list", "elements": "str", "default": []},
    "lost": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["present", "absent", "expelled"], "default": "present"},
    "timeout_seconds": {"type": "int", "default": 180},
}

#: How often a node is taken out of the queues; each takes one change at a time.
ATTEMPTS = 10


class View(NamedTuple):
    """What one node knows."""

    node: str
    #: the cluster it belongs to, and who of it runs
    members: frozenset
    running: frozenset
    has_queues: bool = False


def node_of(host):
    """A node's name."""
    return f"rabbit@{host}"


def partner(own, others):
    """The node to join, or None where `own` is to wait for others to join it.

    A node alone joins the largest cluster it is not in; of two alone the one without queues joins, else the later name.
    """
    if len(own.members) > 1:
        return None
    candidates = [view for view in others if own.node not in view.members]
    best = max(candidates, key=_rank, default=None)
    return best.node if best is not None and _rank(best) > _rank(own) else None


def _rank(view):
    return (len(view.members), view.has_queues, [-ord(letter) for letter in view.node])


class Member:
    """The node on this host."""

    def __init__(self, module) -> None:
        self.module = module
        self.actions = []

    def ask(self, *words, node=""):
        """What a node answers to a question, decoded; None when it does not."""
        target = ["--node", node] if node else []
        status, text, _ = self.module.run_command(["rabbitmqctl", "--quiet", "--timeout", "10", *target, "--formatter", "json", *words])
        return None if status or not text.strip() else json.loads(text)

    def view(self, node=""):
        """A node's view, without its queues; None when it is not there."""
        status = self.ask("cluster_status", node=node)
        if status is None or not status.get("running_nodes"):
            return None
        name = node or status.get("cluster_name", "")
        return View(name, frozenset(status["disk_nodes"]), frozenset(status["running_nodes"]))

    def queues(self, node=""):
        """Quorum queues and the nodes that hold a copy. None where the cloud's virtual host is not there yet."""
        found = self.ask("list_queues", "--vhost", bus_rights.VHOST, "name", "type", "members", node=node)
        return None if found is None else [queue for queue in found if queue.get("type") == "quorum"]

    def act(self, program, *words) -> None:
        """Change something."""
        self.actions.append(" ".join([program, *words]))
        if not self.module.check_mode:
            self.module.run_command([program, "--quiet", *words], check_rc=True)

    def join(self, node) -> None:
        self.act("rabbitmqctl", "stop_app")
        self.act("rabbitmqctl", "reset")
        self.act("rabbitmqctl", "join_cluster", node)
        self.act("rabbitmqctl", "start_app")


def gather(member, own_name, members, seconds) -> None:
    """Wait until all members are one cluster; join where this node was left alone."""
    wanted = {node_of(host) for host in members}
    deadline = time.monotonic() + seconds
    while True:
        own = member.view()
        if own is not None:
            own = own._replace(node=own_name)
            if wanted <= own.running:
                return
            others = [_with_queues(member, view, view.node) for node in sorted(wanted - own.members) if (view := member.view(node))]
            if len(own.members) == 1 and others:
                own = _with_queues(member, own, "")
                target = partner(own, others)
                if target is not None and own.has_queues:
                    member.module.fail_json(
                        msg=f"rabbitmq.two_clusters: {own_name} holds queues of its own and does not belong to the cluster of {target}",
                        code="rabbitmq.two_clusters",
                        remedy=f"if its messages may go: on {own_name} rabbitmqctl stop_app, reset, start_app; then deploy again",
                    )
                if target is not None:
                    member.join(target)
        if member.module.check_mode:
            return
        if time.monotonic() > deadline:
            missing = sorted(wanted - (own.running if own else frozenset()))
            member.module.fail_json(
                msg=f"rabbitmq.member_missing: after {seconds} s the cluster of {own_name} lacks {', '.join(missing)}",
                code="rabbitmq.member_missing",
                remedy="on the hosts named: systemctl status rabbitmq-server, and its log in /var/log/rabbitmq",
            )
        time.sleep(1)


def _with_queues(member, view, node):
    return view._replace(has_queues=bool(member.queues(node)))


def hold_copies(member, own_name, seconds) -> None:
    """A node that came later holds no copies of the queues that were there; give it some.

    A queue takes one new holder at a time, and other new nodes ask as well: so until it holds all of them.
    """
    deadline = time.monotonic() + seconds
    while lacking := sorted(queue["name"] for queue in member.queues() or [] if own_name not in queue.get("members", [])):
        if time.monotonic() > deadline:
            member.module.fail_json(
                msg=f"rabbitmq.copies_missing: after {seconds} s {own_name} holds no copy of {', '.join(lacking)}",
                code="rabbitmq.copies_missing",
                remedy=f"rabbitmq-queues quorum_status QUEUE --vhost {bus_rights.VHOST} tells who is down; start those, then deploy again",
            )
        member.act("rabbitmq-queues", "grow", own_name, "all", "--vhost-pattern", f"^{bus_rights.VHOST}$")
        if member.module.check_mode:
            return
        time.sleep(0.5)


def leave(member, own_name) -> None:
    """Take this node out of the cluster of the others."""
    view = member.view()
    if view is None or view.members == {own_name}:
        return
    spare(member, view, view.running - {own_name}, own_name)
    give_up_copies(member, own_name)
    member.act("rabbitmqctl", "stop_app")
    member.act("rabbitmqctl", "reset")


def expel(member, lost) -> None:
    """Take a node that is no more out of the cluster."""
    view = member.view()
    if view is None or lost not in view.members:
        return
    if lost in view.running:
        member.module.fail_json(
            msg=f"rabbitmq.still_running: {lost} runs, so it is not lost",
            code="rabbitmq.still_running",
            remedy="let it leave by itself, or stop rabbitmq-server there",
        )
    spare(member, view, view.running, lost)
    give_up_copies(member, lost)
    member.act("rabbitmqctl", "forget_cluster_node", lost)


def give_up_copies(member, node) -> None:
    """The others hold all queues without this node; it must not go while one of them still counts on it, or has nobody else."""
    for attempt in range(ATTEMPTS + 1):
        held = sorted(queue["name"] for queue in member.queues() or [] if node in queue.get("members", []))
        if not held:
            return
        if attempt == ATTEMPTS:
            member.module.fail_json(
                msg=f"rabbitmq.copies_kept: {node} still holds copies of {', '.join(held)}",
                code="rabbitmq.copies_kept",
                remedy=f"rabbitmq-queues quorum_status QUEUE --vhost {bus_rights.VHOST} tells who else does; deploy first",
            )
        member.act("rabbitmq-queues", "shrink", node)
        if member.module.check_mode:
            return
        time.sleep(0.5)


def spare(member, view, staying, leaving) -> None:
    """Refuse where those that stay are not the greater part of the cluster: they would stand still."""
    if 2 * len(staying) <= len(view.members) and len(view.members) > 2:
        member.module.fail_json(
            msg=f"rabbitmq.no_quorum: {len(staying)} of {len(view.members)} nodes run beside {leaving}, too few to let it go",
            code="rabbitmq.no_quorum",
            remedy="bring the other nodes back first: systemctl status rabbitmq-server on each",
        )


def main() -> None:
    """Find out, and act."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    member = Member(module)
    # A host that has left is bare.
    if (module.check_mode or module.params["state"] == "absent") and module.get_bin_path("rabbitmqctl") is None:
        module.exit_json(changed=False, actions=[])
    if module.params["state"] == "absent":
        leave(member, _own_name())
    elif module.params["state"] == "expelled":
        for host in module.params["lost"]:
            expel(member, node_of(host))
    else:
        own_name = _own_name()
        gather(member, own_name, module.params["members"], module.params["timeout_seconds"])
        hold_copies(member, own_name, module.params["timeout_seconds"])
    module.exit_json(changed=bool(member.actions), actions=member.actions)


def _own_name():
    """As the node's settings name it."""
    with open("/etc/rabbitmq/rabbitmq-env.conf") as file:
        return next(line.strip().partition("=")[2] for line in file if line.startswith("NODENAME="))


if __name__ == "__main__":
    main()
