"""A lost member of OVN's databases is expelled until it is gone, and only where the others can go on."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def ovn_cluster(load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    code = load("library/ovn_cluster.py")
    monkeypatch.setattr(code.time, "sleep", lambda _: None)
    return code


class Cluster:
    """Both databases of a cluster, which hears a request to expel only when it has a leader."""

    def __init__(self, *addresses: str, deaf: int = 0) -> None:
        self.servers = {name: {f"{name[0]}{n:03}": f"ssl:{address}:6643" for n, address in enumerate(addresses)} for name in NAMES}
        self.deaf, self.requests = deaf, 0

    def state_of(self, database: Any, _run: Any) -> dict[str, Any]:
        return {"servers": dict(self.servers[database.name])}

    def run_command(self, words: list[str], **_: Any) -> tuple[int, str, str]:
        assert "cluster/kick" in words
        self.requests += 1
        if self.requests > self.deaf:
            for servers in self.servers.values():
                servers.pop(words[-1], None)
        return 0, "", ""


NAMES = ("northbound", "southbound")


def expel(code: ModuleType, cluster: Cluster, *addresses: str, seconds: float = 10) -> dict[str, Any]:
    code.state_of = cluster.state_of
    params = {"addresses": list(addresses), "timeout_seconds": seconds}
    done: dict[str, Any] = code.expelled(SimpleNamespace(params=params, run_command=cluster.run_command, check_mode=False))
    return done


def test_a_lost_member_is_expelled_once(ovn_cluster: ModuleType) -> None:
    cluster = Cluster("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert expel(ovn_cluster, cluster, "10.0.0.3") == {"northbound": ["n002"], "southbound": ["s002"]}
    assert expel(ovn_cluster, cluster, "10.0.0.3") == {}
    assert cluster.requests == 2


def test_it_is_asked_for_again_while_there_is_no_leader(ovn_cluster: ModuleType) -> None:
    cluster = Cluster("10.0.0.1", "10.0.0.2", "10.0.0.3", deaf=4)
    assert set(expel(ovn_cluster, cluster, "10.0.0.3")) == set(NAMES)
    with pytest.raises(ovn_cluster.Refused) as refused:
        expel(ovn_cluster, Cluster("10.0.0.1", "10.0.0.2", "10.0.0.3", deaf=1 << 30), "10.0.0.3", seconds=0.01)
    assert refused.value.code == "ovn.expel_timed_out"


def test_the_others_must_be_enough(ovn_cluster: ModuleType) -> None:
    with pytest.raises(ovn_cluster.Refused) as refused:
        expel(ovn_cluster, Cluster("10.0.0.1", "10.0.0.2", "10.0.0.3"), "10.0.0.2", "10.0.0.3")
    assert refused.value.code == "ovn.no_quorum"
