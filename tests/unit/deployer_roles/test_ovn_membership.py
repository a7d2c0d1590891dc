"""One cluster and never a second: whatever the order of hosts, and whoever lives."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from plugins.module_utils.ovn_membership import Refused, decide, departed, former_selves, parse_status, quorum

MEMBERS = {"a": "10.0.0.1", "b": "10.0.0.2", "c": "10.0.0.3"}
STATUS = """023a
Name: OVN_Northbound
Cluster ID: 0b84 (0b84f5de-6326-4c0d-b984-3864611926de)
Server ID: 023a (023a1ee8-8b2b-4157-9a79-4803bce8eaf4)
Address: ssl:10.0.0.1:6643
Status: cluster member
Role: leader
Term: 2
Leader: self
Vote: self

Election timer: 2000
Connections: ->5ba1 <-5ba1
Servers:
    023a (023a at ssl:10.0.0.1:6643) (self) next_index=3 match_index=3
    5ba1 (5ba1 at ssl:10.0.0.2:6643) next_index=6 match_index=5 last msg 12 ms ago
"""


def none() -> dict[str, Any]:
    return {"kind": "none", "content": False, "cluster_id": "", "server_id": "", "address": "", "servers": {}}


def alone(content: bool) -> dict[str, Any]:
    return none() | {"kind": "standalone", "content": content}


def member(server_id: str, **values: Any) -> dict[str, Any]:
    servers = {"aaaa": "ssl:10.0.0.1:6643", "bbbb": "ssl:10.0.0.2:6643"}
    return (
        none()
        | {
            "kind": "cluster",
            "cluster_id": "cluster",
            "server_id": server_id,
            "address": servers.get(server_id[:4], ""),
            "servers": servers,
        }
        | values
    )


def actions(states: dict[str, Any]) -> dict[str, str]:
    """What each host does, the same for every order in which the hosts are named."""
    found = []
    for order in itertools.permutations(MEMBERS):
        members = {name: MEMBERS[name] for name in order}
        found.append({name: decide(name, members, {host: states[host] for host in order})["action"] for name in sorted(members)})
    assert all(item == found[0] for item in found)
    return found[0]


def test_one_founds_and_the_others_join_it() -> None:
    states = dict.fromkeys(MEMBERS, none())
    assert actions(states) == {"a": "found", "b": "join", "c": "join"}
    assert decide("c", MEMBERS, states)["remotes"] == ["10.0.0.1"]


def test_the_host_with_networks_founds_from_them() -> None:
    assert actions({"a": none(), "b": alone(True), "c": alone(False)}) == {"a": "join", "b": "convert", "c": "join"}


def test_a_cluster_that_lives_is_joined_whoever_sorts_first() -> None:
    states = {"a": none(), "b": member("bbbb-1"), "c": none()}
    assert actions(states) == {"a": "join", "b": "keep", "c": "join"}
    plan = decide("c", MEMBERS, states)
    assert plan == {"action": "join", "remotes": ["10.0.0.1", "10.0.0.2"], "cluster_id": "cluster"}


def test_a_cluster_is_joined_though_a_host_is_away() -> None:
    states = {"a": None, "b": member("bbbb-1"), "c": none()}
    assert decide("c", MEMBERS, states)["action"] == "join"


def test_none_is_founded_while_a_host_is_away() -> None:
    with pytest.raises(Refused, match="could not be") as refused:
        decide("b", MEMBERS, {"a": None, "b": none(), "c": none()})
    assert refused.value.code == "ovn.members_unknown"


def test_an_even_number_founds_none_and_may_join() -> None:
    members = {name: MEMBERS[name] for name in ("a", "b")}
    with pytest.raises(Refused) as refused:
        decide("a", members, dict.fromkeys(members, none()))
    assert refused.value.code == "ovn.control_hosts"
    assert decide("a", members, {"a": none(), "b": member("bbbb-1")})["action"] == "join"
    assert decide("b", members, {"a": none(), "b": alone(True)})["action"] == "convert"


def test_a_file_that_never_joined_founds_nothing() -> None:
    joining = none() | {"kind": "joining", "address": "ssl:10.0.0.2:6643"}
    assert actions({"a": none(), "b": joining, "c": joining}) == {"a": "found", "b": "join", "c": "join"}


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ({"a": alone(True), "b": alone(True), "c": none()}, "ovn.databases_differ"),
        ({"a": member("aaaa-1"), "b": member("bbbb-1", cluster_id="other"), "c": none()}, "ovn.clusters_differ"),
    ],
)
def test_two_truths_are_refused(states: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        decide("c", MEMBERS, states)
    assert refused.value.code == code


def test_networks_in_the_way_of_a_cluster_are_not_thrown_away() -> None:
    with pytest.raises(Refused) as refused:
        decide("c", MEMBERS, {"a": member("aaaa-1"), "b": member("bbbb-1"), "c": alone(True)})
    assert refused.value.code == "ovn.database_in_the_way"


def test_an_expelled_member_joins_anew() -> None:
    states = {"a": member("aaaa-1", role="leader"), "b": member("bbbb-1"), "c": member("cccc-1", address="ssl:10.0.0.3:6643")}
    assert decide("c", MEMBERS, states)["action"] == "join"
    assert decide("b", MEMBERS, states)["action"] == "keep"


def test_a_lone_host_stays_alone() -> None:
    assert decide("a", {"a": "10.0.0.1"}, {"a": none()})["action"] == "keep"
    assert decide("a", {"a": "10.0.0.1"}, {"a": member("aaaa-1", role="leader")})["action"] == "keep"


def test_status_is_read() -> None:
    found = parse_status(STATUS)
    assert found["cluster_id"] == "0b84f5de-6326-4c0d-b984-3864611926de"
    assert (found["role"], found["leader"], found["status"]) == ("leader", "023a", "cluster member")
    assert found["servers"] == {"023a": "ssl:10.0.0.1:6643", "5ba1": "ssl:10.0.0.2:6643"}
    assert departed(found, ["10.0.0.2"]) == ["5ba1"]


def test_quorum_is_more_than_half() -> None:
    assert [quorum(count) for count in (1, 3, 5)] == [1, 2, 3]


def test_who_joined_anew_is_not_who_it_was() -> None:
    servers = {"aaaa": "ssl:10.0.0.1:6643", "bbbb": "ssl:10.0.0.2:6643", "cccc": "ssl:10.0.0.2:6643"}
    assert former_selves(member("cccc-1", address="ssl:10.0.0.2:6643", servers=servers)) == ["bbbb"]
    assert former_selves(member("aaaa-1", servers=servers)) == []
