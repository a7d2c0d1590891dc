"""Which node joins which follows from what lives, and no node forgets queues."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def rabbitmq_member(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/rabbitmq_member.py")


class Cluster:
    """Nodes that answer rabbitmqctl as three real ones would."""

    def __init__(self, *clusters: str, queues: str = "", down: str = "", copies: str = "") -> None:
        self.cluster = {name: set(names) for names in clusters for name in names}
        self.queues, self.down, self.copies = set(queues), set(down), set(copies)
        self.acts: list[str] = []
        #: how often a queue still takes in another holder first
        self.busy = 0

    def module(self, own: str) -> Any:
        def run_command(words: list[str], check_rc: bool = False) -> tuple[int, str, str]:
            node = words[words.index("--node") + 1].removeprefix("rabbit@") if "--node" in words else own
            if "cluster_status" in words:
                return self._status(node)
            if "list_queues" in words:
                copies = ",".join(f'"rabbit@{name}"' for name in self.copies)
                return 0, f'[{{"name": "q", "type": "quorum", "members": [{copies}]}}]' if node in self.queues else "[]", ""
            self.acts.append(" ".join([words[0], *words[2:]]))
            if "grow" in words:
                self.busy -= 1
                self.copies |= {own} if self.busy < 0 else set()
            if "shrink" in words and len(self.copies) > 1:
                self.copies -= {words[-1].removeprefix("rabbit@")}
            if "reset" in words:
                self.cluster[own] = {own}
            if "join_cluster" in words:
                self._join(own, words[-1].removeprefix("rabbit@"))
            return 0, "", ""

        def fail_json(**told: Any) -> None:
            raise Failed(told["code"])

        return SimpleNamespace(run_command=run_command, fail_json=fail_json, check_mode=False)

    def _status(self, node: str) -> tuple[int, str, str]:
        if node in self.down:
            return 69, "", "no"
        names = [f'"rabbit@{name}"' for name in sorted(self.cluster[node])]
        up = [f'"rabbit@{name}"' for name in sorted(self.cluster[node] - self.down)]
        return 0, f'{{"disk_nodes": [{",".join(names)}], "running_nodes": [{",".join(up)}]}}', ""

    def _join(self, own: str, other: str) -> None:
        joined = self.cluster[other] | {own}
        for name in joined:
            self.cluster[name] = joined


class Failed(Exception):
    pass


def gather(code: ModuleType, cluster: Cluster, own: str, seconds: float = 0) -> None:
    code.gather(code.Member(cluster.module(own)), f"rabbit@{own}", ["a", "b", "c"], seconds)


@pytest.fixture(autouse=True)
def _quick(rabbitmq_member: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq_member.time, "sleep", lambda _: None)


def test_one_cluster_is_left_alone(rabbitmq_member: ModuleType) -> None:
    cluster = Cluster("abc")
    gather(rabbitmq_member, cluster, "b")
    assert cluster.acts == []


@pytest.mark.parametrize("order", list(permutations("abc")))
@pytest.mark.parametrize("clusters", [("a", "b", "c"), ("ab", "c"), ("a", "bc"), ("b", "ac")])
def test_nodes_left_alone_join_in_any_order(rabbitmq_member: ModuleType, clusters: tuple[str, ...], order: tuple[str, ...]) -> None:
    cluster = Cluster(*clusters)
    for _ in range(2):
        for own in order:
            try:
                gather(rabbitmq_member, cluster, own, seconds=-1)
            except Failed:
                continue
    assert cluster.cluster["a"] == {"a", "b", "c"}


@pytest.mark.parametrize("holder", "abc")
def test_the_node_that_holds_queues_is_the_one_to_join(rabbitmq_member: ModuleType, holder: str) -> None:
    cluster = Cluster("a", "b", "c", queues=holder)
    for own in "cba":
        try:
            gather(rabbitmq_member, cluster, own, seconds=-1)
        except Failed as error:
            assert str(error) == "rabbitmq.member_missing"  # noqa: PT017
    assert len(cluster.cluster[holder]) == 3
    assert cluster.queues == {holder}


def test_two_clusters_with_queues_are_the_operators(rabbitmq_member: ModuleType) -> None:
    with pytest.raises(Failed, match=r"rabbitmq\.two_clusters"):
        gather(rabbitmq_member, Cluster("ab", "c", queues="abc"), "c")


def test_a_missing_node_is_told(rabbitmq_member: ModuleType) -> None:
    with pytest.raises(Failed, match=r"rabbitmq\.member_missing"):
        gather(rabbitmq_member, Cluster("abc", down="c"), "a")


def test_a_later_node_gets_copies_once(rabbitmq_member: ModuleType) -> None:
    for copies, acts in (("ab", ["rabbitmq-queues grow rabbit@c all --vhost-pattern ^cloudd$"]), ("abc", [])):
        cluster = Cluster("abc", queues="abc", copies=copies)
        rabbitmq_member.hold_copies(rabbitmq_member.Member(cluster.module("c")), "rabbit@c", 10)
        assert cluster.acts == acts


def test_nodes_that_come_together_all_get_copies(rabbitmq_member: ModuleType) -> None:
    cluster = Cluster("abc", queues="abc", copies="a")
    cluster.busy = 2
    rabbitmq_member.hold_copies(rabbitmq_member.Member(cluster.module("c")), "rabbit@c", 10)
    assert cluster.copies == {"a", "c"}
    cluster.busy = 1 << 30
    with pytest.raises(Failed, match="copies_missing"):
        rabbitmq_member.hold_copies(rabbitmq_member.Member(cluster.module("b")), "rabbit@b", 0.01)


@pytest.mark.parametrize(("down", "code"), [("", "rabbitmq.still_running"), ("bc", "rabbitmq.no_quorum")])
def test_a_node_is_not_expelled_at_the_others_cost(rabbitmq_member: ModuleType, down: str, code: str) -> None:
    with pytest.raises(Failed, match=code):
        rabbitmq_member.expel(rabbitmq_member.Member(Cluster("abc", down=down).module("a")), "rabbit@c")


def test_a_lost_node_is_expelled_once(rabbitmq_member: ModuleType) -> None:
    cluster = Cluster("abc", queues="a", copies="abc", down="c")
    rabbitmq_member.expel(rabbitmq_member.Member(cluster.module("a")), "rabbit@c")
    assert cluster.acts == ["rabbitmq-queues shrink rabbit@c", "rabbitmqctl forget_cluster_node rabbit@c"]
    gone = Cluster("ab")
    rabbitmq_member.expel(rabbitmq_member.Member(gone.module("a")), "rabbit@c")
    assert gone.acts == []


def test_a_node_that_alone_holds_a_queue_stays(rabbitmq_member: ModuleType) -> None:
    cluster = Cluster("abc", queues="c", copies="c")
    with pytest.raises(Failed, match="copies_kept"):
        rabbitmq_member.leave(rabbitmq_member.Member(cluster.module("c")), "rabbit@c")
    assert "rabbitmqctl reset" not in cluster.acts


def test_a_node_leaves_once_where_the_others_can_spare_it(rabbitmq_member: ModuleType) -> None:
    cluster = Cluster("abc", queues="c", copies="abc")
    rabbitmq_member.leave(rabbitmq_member.Member(cluster.module("c")), "rabbit@c")
    assert cluster.acts == ["rabbitmq-queues shrink rabbit@c", "rabbitmqctl stop_app", "rabbitmqctl reset"]
    alone = Cluster("c")
    rabbitmq_member.leave(rabbitmq_member.Member(alone.module("c")), "rabbit@c")
    assert alone.acts == []
    with pytest.raises(Failed, match=r"rabbitmq\.no_quorum"):
        rabbitmq_member.leave(rabbitmq_member.Member(Cluster("abc", down="b").module("c")), "rabbit@c")
