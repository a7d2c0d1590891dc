"""Who founds, who joins: the membership of OVN's databases in their RAFT clusters, read from the live state of all control hosts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: runs a command; answers exit code, output, complaints
Run = Callable[[list[str]], tuple[int, str, str]]


@dataclass(frozen=True)
class Database:
    """Where one of the two databases lies on its host; `content_table` has rows as soon as the database is worth keeping."""

    name: str
    schema: str
    path: str
    socket: str
    control: str
    unit: str
    content_table: str
    cluster_port: int

    @property
    def schema_path(self) -> str:
        return f"/usr/share/ovn/{self.schema}.ovsschema"


DATABASES = {
    "northbound": Database(
        name="northbound",
        schema="ovn-nb",
        path="/var/lib/ovn/ovnnb_db.db",
        socket="/run/ovn/ovnnb_db.sock",
        control="/run/ovn/ovnnb_db.ctl",
        unit="ovn-ovsdb-server-nb.service",
        content_table="Logical_Switch",
        cluster_port=6643,
    ),
    "southbound": Database(
        name="southbound",
        schema="ovn-sb",
        path="/var/lib/ovn/ovnsb_db.db",
        socket="/run/ovn/ovnsb_db.sock",
        control="/run/ovn/ovnsb_db.ctl",
        unit="ovn-ovsdb-server-sb.service",
        content_table="Chassis",
        cluster_port=6644,
    ),
}
SCHEMAS = {"northbound": "OVN_Northbound", "southbound": "OVN_Southbound"}


class Refused(Exception):
    """What may not be done, with a stable code and what to do about it."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code, self.message, self.remedy = code, message, remedy


def host_of(address: str) -> str:
    """The host in an OVSDB address such as ssl:10.0.0.1:6643 or ssl:[2001:db8::1]:6643."""
    return address.partition(":")[2].rpartition(":")[0].strip("[]")


def address_of(host: str, port: int) -> str:
    """The address of a member's server for its fellows."""
    return f"ssl:[{host}]:{port}" if ":" in host else f"ssl:{host}:{port}"


def parse_status(text: str) -> dict[str, Any]:
    """What `cluster/status` tells: status, role, leader (short id), cluster_id, server_id, servers (address by short id) and term."""
    fields = dict(re.findall(r"^([A-Z][\w ]+): (.*)$", text, re.MULTILINE))
    servers = dict(re.findall(r"^    (\w{4}) \(\w{4} at (\S+?)\)", text, re.MULTILINE))
    own = fields.get("Server ID", "").partition(" ")[0]
    leader = fields.get("Leader", "unknown")
    return {
        "status": fields.get("Status", ""),
        "role": fields.get("Role", ""),
        "leader": own if leader == "self" else leader,
        "cluster_id": _long_id(fields.get("Cluster ID", "")),
        "server_id": _long_id(fields.get("Server ID", "")),
        "servers": servers,
        "term": int(fields.get("Term", "0")),
    }


def _long_id(text: str) -> str:
    found = re.search(r"\(([0-9a-f-]{36})\)", text)
    return found.group(1) if found else ""


def state_of(database: Database, run: Run) -> dict[str, Any]:
    """What this host has of a database.

    kind: none, standalone, joining (a file that never reached its cluster) or cluster; content: whether a standalone one is worth keeping;
    running, and where it runs in a cluster what parse_status tells.
    """
    schema = SCHEMAS[database.name]
    found: dict[str, Any] = {"kind": "none", "content": False, "running": False}
    found |= {"cluster_id": "", "server_id": "", "address": "", "servers": {}}
    # Neither: nobody to ask, and on a bare host nothing to ask with.
    if not (os.path.exists(database.path) or os.path.exists(database.control)):
        return found
    status, out, _ = run(["ovn-appctl", "--timeout=5", "-t", database.control, "cluster/status", schema])
    found["running"] = status == 0
    live = parse_status(out) if status == 0 else {}
    if not os.path.exists(database.path):
        return found
    if run(["ovsdb-tool", "db-is-standalone", database.path])[0] == 0:
        query = f'["{schema}",{{"op":"select","table":"{database.content_table}","where":[],"columns":["_uuid"]}}]'
        status, out, _ = run(["ovsdb-tool", "query", database.path, query])
        found |= {"kind": "standalone", "content": status == 0 and '"_uuid"' in out}
        return found
    status, out, _ = run(["ovsdb-tool", "db-cid", database.path])
    found |= {key: value for key, value in live.items() if value}
    found["cluster_id"] = live.get("cluster_id") or (out.strip() if status == 0 else "")
    found["server_id"] = run(["ovsdb-tool", "db-sid", database.path])[1].strip()
    found["address"] = run(["ovsdb-tool", "db-local-address", database.path])[1].strip()
    found["kind"] = "cluster" if found["cluster_id"] else "joining"
    return found


def decide(name: str, members: Mapping[str, str], states: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    """What the host `name` has to do: action (keep, found, convert, join), the `remotes` to join through (hosts) and the `cluster_id`.

    `members` are all control hosts with their addresses, `states` what each of them has of the database (None: not known).
    Nothing hangs on any order: a cluster that lives is joined through its members; only where all hosts are known and none has one,
    is one founded, by the host whose lone database is worth keeping, else by the one whose name sorts first. Raises Refused.
    """
    own = states.get(name)
    if own is None:
        raise Refused("ovn.state_unknown", f"nothing is known of the databases of {name}", "run the role without --start-at-task")
    clusters = {host: state for host, state in states.items() if state and state["kind"] == "cluster"}
    ids = {state["cluster_id"] for state in clusters.values()}
    if len(ids) > 1:
        told = ", ".join(f"{host} in {state['cluster_id'][:4]}" for host, state in sorted(clusters.items()))
        raise Refused(
            "ovn.clusters_differ",
            f"the control hosts' databases belong to different clusters: {told}",
            "keep that with the networks (ovn-nbctl ls-list); stop ovn-central on the others and move /var/lib/ovn away, then deploy again",
        )
    if len(members) == 1 and not clusters:
        return {"action": "keep", "remotes": [], "cluster_id": ""}
    if own["kind"] == "cluster" and not _was_expelled(own, clusters):
        return {"action": "keep", "remotes": [], "cluster_id": own["cluster_id"]}
    if own["content"] and clusters:
        raise Refused(
            "ovn.database_in_the_way",
            f"{name} has a database with networks of its own, and the control hosts have a cluster already",
            "if its networks are not needed, stop ovn-central on it and move /var/lib/ovn away, then deploy again",
        )
    others = {host: state for host, state in clusters.items() if host != name}
    if others:
        remotes = {host_of(address) for state in others.values() for address in state["servers"].values()}
        remotes |= {host_of(state["address"]) for state in others.values()}
        return {"action": "join", "remotes": sorted(remotes - {members[name]}), "cluster_id": next(iter(ids))}
    unknown = sorted(host for host in members if states.get(host) is None)
    if unknown:
        raise Refused(
            "ovn.members_unknown",
            f"no control host that could be asked has a cluster, and {', '.join(unknown)} could not be: one may live there",
            "run it for all control hosts together (without --limit), with all of them reachable",
        )
    return _found_or_follow(name, members, {host: state for host, state in states.items() if state})


def _found_or_follow(name: str, members: Mapping[str, str], states: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    worth = sorted(host for host in members if states[host]["content"])
    if len(worth) > 1:
        raise Refused(
            "ovn.databases_differ",
            f"{', '.join(worth)} each have a database with networks of its own",
            "keep one; stop ovn-central on the others and move /var/lib/ovn away, then deploy again",
        )
    if len(members) % 2 == 0 and not worth:
        raise Refused(
            "ovn.control_hosts",
            f"the databases need one, three or five hosts to agree, and the group control has {len(members)}",
            "take one host out of control or add one",
        )
    founder = worth[0] if worth else min(members)
    if name == founder:
        return {"action": "convert" if worth else "found", "remotes": [], "cluster_id": ""}
    return {"action": "join", "remotes": [members[founder]], "cluster_id": ""}


def _was_expelled(own: Mapping[str, Any], clusters: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the cluster that lives goes on without this server (it was removed while it was away)."""
    leaders = [state for state in clusters.values() if state.get("role") == "leader" and state["servers"]]
    short = own["server_id"][:4]
    return bool(leaders) and all(short not in state["servers"] for state in leaders)


def quorum(count: int) -> int:
    """How many of `count` members must live."""
    return count // 2 + 1


def former_selves(state: Mapping[str, Any]) -> list[str]:
    """Short ids of servers that have this host's address and are not its own: what it was before it lost its file and joined anew."""
    own = state["server_id"][:4]
    return sorted(short for short, address in state["servers"].items() if address == state["address"] and short != own)


def departed(state: Mapping[str, Any], addresses: Iterable[str]) -> list[str]:
    """Short ids of the servers that stand for hosts which are no members any more; `addresses` are those hosts'."""
    gone = set(addresses)
    return sorted(short for short, address in state["servers"].items() if host_of(address) in gone)
