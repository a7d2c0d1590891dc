"""Who begins the database's cluster anew: at most one, and only one that can hold all that was acknowledged."""

from __future__ import annotations

import importlib.util
import itertools
import signal
import subprocess
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.deployer_roles.conftest import ROOT

ALL = ["a", "b", "c"]
CLUSTER, OTHER, NONE = (
    "11111111-0000-0000-0000-000000000000",
    "22222222-0000-0000-0000-000000000000",
    "00000000-0000-0000-0000-000000000000",
)


@pytest.fixture(scope="module")
def member() -> ModuleType:
    loader = SourceFileLoader("galera_member", str(ROOT / "roles/mariadb/files/galera_member"))
    spec = importlib.util.spec_from_loader("galera_member", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def waiting(position: int, view: str = "abc", cluster: str = CLUSTER) -> dict[str, Any]:
    return {"phase": "waiting", "position": position, "view": list(view), "cluster": cluster}


def verdicts(member: ModuleType, states: dict[str, dict[str, Any]]) -> dict[str, str]:
    """What each waiting member decides when it sees these states."""
    return {name: member.decide(name, ALL, states)[0] for name, state in states.items() if state["phase"] == "waiting"}


def test_the_latest_write_begins(member: ModuleType) -> None:
    states = {"a": waiting(7), "b": waiting(9), "c": waiting(8)}
    assert verdicts(member, states) == {"a": "wait", "b": "begin", "c": "wait"}


def test_of_equals_one_begins_and_a_new_cluster_begins_the_same_way(member: ModuleType) -> None:
    new = {name: waiting(-1, "", NONE) for name in ALL}
    assert sorted(verdicts(member, new).values()) == ["begin", "wait", "wait"]


def test_nobody_begins_without_those_who_may_know_more(member: ModuleType) -> None:
    assert verdicts(member, {"a": waiting(7), "b": waiting(7)}) == {"a": "wait", "b": "wait"}
    assert verdicts(member, {"a": waiting(-1, "", NONE), "b": waiting(-1, "", NONE)}) == {"a": "wait", "b": "wait"}


def test_one_who_was_gone_before_is_not_waited_for(member: ModuleType) -> None:
    states = {"b": waiting(9, "bc"), "c": waiting(9, "bc")}
    assert sorted(verdicts(member, states).values()) == ["begin", "wait"]
    # The last to leave in good order needs nobody.
    assert verdicts(member, {"c": waiting(9, "c")}) == {"c": "begin"}


def test_one_who_comes_back_with_an_old_view_makes_it_wait(member: ModuleType) -> None:
    assert verdicts(member, {"a": waiting(3, "abc"), "b": waiting(9, "bc")}) == {"a": "wait", "b": "wait"}
    assert verdicts(member, {"a": waiting(3, "abc"), "b": waiting(9, "bc"), "c": waiting(9, "bc")})["b"] == "begin"


def test_whoever_runs_is_joined(member: ModuleType) -> None:
    running = {"phase": "running", "position": 5, "view": ["a"], "cluster": CLUSTER}
    assert verdicts(member, {"a": running, "b": waiting(99)}) == {"b": "join"}


def test_an_emptied_disk_neither_begins_nor_holds_others_up(member: ModuleType) -> None:
    states = {"a": waiting(-1, "", NONE), "b": waiting(4), "c": waiting(4)}
    assert verdicts(member, states) == {"a": "wait", "b": "begin", "c": "wait"}


def test_data_of_two_clusters_is_left_to_a_person(member: ModuleType) -> None:
    states = {"a": waiting(4), "b": waiting(4), "c": waiting(9, cluster=OTHER)}
    assert set(verdicts(member, states).values()) == {"wait"}


def test_never_do_two_begin_whatever_they_see_of_each_other(member: ModuleType) -> None:
    """Each of two sees itself and any of the others; all positions and views that a cluster can leave behind."""
    for positions in itertools.product((3, 4), repeat=3):
        # With a later view come no fewer writes; whoever is in the last view has it.
        for last in ("abc", "ab", "bc", "ac"):
            newest = max(positions)
            if any(positions[ALL.index(name)] < newest and name in last for name in ALL) and not any(
                positions[ALL.index(name)] == newest for name in last
            ):
                continue
            states = {name: waiting(positions[i], last if name in last else "abc") for i, name in enumerate(ALL)}
            begins = set()
            for name in ALL:
                for others in itertools.product((True, False), repeat=2):
                    rest = [other for other in ALL if other != name]
                    seen = {name: states[name], **{o: states[o] for o, there in zip(rest, others, strict=True) if there}}
                    if member.decide(name, ALL, seen)[0] == "begin":
                        begins.add(name)
            assert len(begins) <= 1, (positions, last, begins)


def test_a_view_without_quorum_is_not_remembered(member: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member, "VIEW", tmp_path / "view.json")
    members = "1-2/a/10.0.0.1:3306,3-4/b/10.0.0.2:3306"
    member.note(["--status", "synced", "--uuid", CLUSTER, "--primary", "yes", "--index", "0", "--members", members])
    assert member.read(tmp_path / "view.json") == {"members": ["a", "b"]}
    member.note(["--status", "disconnected", "--primary", "no", "--members", "1-2/a/10.0.0.1:3306"])
    assert member.read(tmp_path / "view.json") == {"members": ["a", "b"]}


@pytest.mark.parametrize(
    ("status", "writable"),
    [
        ({"wsrep_cluster_status": "Primary", "wsrep_ready": "ON", "wsrep_local_state": "4"}, True),
        ({"wsrep_cluster_status": "Primary", "wsrep_ready": "ON", "wsrep_local_state": "2"}, True),
        ({"wsrep_cluster_status": "Primary", "wsrep_ready": "ON", "wsrep_local_state": "3"}, False),
        ({"wsrep_cluster_status": "non-Primary", "wsrep_ready": "OFF", "wsrep_local_state": "4"}, False),
        ({}, False),
    ],
)
def test_only_members_in_sync_are_written_to(member: ModuleType, status: dict[str, str], writable: bool) -> None:
    assert member.is_writable(status) is writable


RUNNING = {"phase": "running", "synced": True}


@pytest.mark.parametrize(
    ("status", "others", "other"),
    [
        ({"wsrep_cluster_status": "non-Primary"}, {"b": RUNNING | {"primary": False}, "c": RUNNING | {"primary": True}}, "c"),
        ({"wsrep_cluster_status": "Disconnected"}, {"b": RUNNING | {"primary": True}}, "b"),
        # Nobody has a quorum: Galera brings them together again.
        ({"wsrep_cluster_status": "non-Primary"}, {"b": RUNNING | {"primary": False}, "c": waiting(7)}, ""),
        # It receives its data, or it is not there at all.
        ({"wsrep_cluster_status": "Primary", "wsrep_ready": "OFF"}, {"b": RUNNING | {"primary": True}}, ""),
        ({}, {"b": RUNNING | {"primary": True}}, ""),
    ],
)
def test_a_database_outside_of_a_living_cluster_is_seen(
    member: ModuleType, status: dict[str, str], others: dict[str, dict[str, Any]], other: str
) -> None:
    assert member.is_left_behind(status, others) == other


def raised(error: Exception | None) -> dict[str, Any]:
    """Settings, once they can be read."""
    if error is not None:
        raise error
    return {}


def test_a_database_that_stays_outside_is_ended(member: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ended(Exception):
        """The watch goes on for ever otherwise."""

    class Outside:
        def status(self) -> dict[str, str]:
            if database.poll() is not None:
                raise Ended
            return {"wsrep_cluster_status": "non-Primary"}

    with subprocess.Popen(["sleep", "60"]) as database:
        (tmp_path / "pid").write_text(f"{database.pid}\n")
        monkeypatch.setattr(member, "PID", tmp_path / "pid")
        monkeypatch.setattr(member, "WATCH_SECONDS", 0.05)
        monkeypatch.setattr(member, "LEFT_BEHIND_SECONDS", 0.2)
        read = iter([ValueError("half written")])
        monkeypatch.setattr(member, "settings", lambda: raised(next(read, None)))
        monkeypatch.setattr(member, "states_of_others", lambda _mine: {"b": RUNNING | {"primary": True}})
        begun = time.monotonic()
        with pytest.raises(Ended):
            member.keep_watch(Outside())
        assert time.monotonic() - begun > 0.2
    assert database.returncode == -signal.SIGKILL
