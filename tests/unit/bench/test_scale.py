from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudd.ctl import paths
from tests.bench.scale import Step, main, slope, steps, table
from tests.bench.scale_lab import CONTROLLER, MOST_COMPUTES, compute_name, forget_cloud, inventory, program_name


def walk(adds: list[int], agains: list[int], batch: int) -> list[tuple[str, int]]:
    return [(step.kind, step.number) for step in steps(adds, agains, batch)]


def test_hosts_that_are_not_timed_come_in_batches() -> None:
    assert walk([3, 20], [5, 20], 8) == [
        ("begin", 2), ("add", 3), ("grow", 4), ("again", 5), ("grow", 12), ("grow", 19), ("again", 20), ("add", 20),
    ]  # fmt: skip


@pytest.mark.parametrize("batch", [1, 7, 20])
def test_each_step_finds_the_cloud_that_it_is_about(batch: int) -> None:
    have = 0
    for step in steps([3, 20, 100], [5, 20, 50], batch):
        if step.kind == "again":
            assert step.number == have + 1
            continue
        assert step.kind == "begin" or 0 < step.number - have <= (1 if step.kind == "add" else batch)
        have = step.number
    assert have == 100


def test_a_cloud_of_two_hosts_is_the_smallest() -> None:
    assert list(steps([2], [2], 20)) == [Step("begin", 1), Step("again", 2), Step("add", 2)]
    with pytest.raises(SystemExit):
        main(["--add", "1"])
    with pytest.raises(SystemExit):
        main(["--again", str(MOST_COMPUTES + 2)])


def test_slope_is_that_of_the_line_nearest_to_all() -> None:
    assert slope([(5, 10), (20, 25), (50, 55)]) == pytest.approx(1)
    assert slope([(3, 40), (100, 40)]) == 0
    assert slope([(3, 40)]) is None
    assert slope([]) is None


def test_inventory_has_room_for_all_and_keeps_them_apart() -> None:
    listed = inventory(MOST_COMPUTES, 5, Path("/cache"))["all"]
    networks = listed["vars"]["cloud_networks"]
    addresses = [ipaddress.ip_address(host["ansible_host"]) for host in listed["hosts"].values()]
    assert len(set(addresses)) == MOST_COMPUTES + 1
    assert all(address in ipaddress.ip_network(networks["management"]["cidr"]) for address in addresses)
    # A lab host has the same number in each of its networks.
    highest = max(int(address) & 255 for address in addresses)
    (pool,) = networks["external"]["allocation_pools"]
    assert highest < int(pool["start"].rpartition(".")[2])
    assert listed["hosts"][CONTROLLER]["ansible_host"] == listed["vars"]["api_address"]
    assert set(listed["children"]["compute"]["hosts"]) == set(listed["hosts"]) - {CONTROLLER}


def test_only_hosts_that_are_not_timed_have_the_disk_of_another() -> None:
    hosts = inventory(3, 5, Path("/cache"), {2: ["/model", "/base"]})["all"]["hosts"]
    assert [host.get("lab_host_layers") for host in hosts.values()] == [None, None, ["/model", "/base"], None]


def test_inventory_sets_only_what_is_read() -> None:
    listed = inventory(1, 5, Path("/cache"))["all"]
    text = "".join(path.read_text() for folder in ("roles", "playbooks") for path in (paths.ROOT / folder).rglob("*.yml"))
    for name in {**listed["vars"], **listed["children"]["compute"]["vars"]}:
        assert name in text, name


def test_compute_names_are_in_the_order_of_their_numbers() -> None:
    names = [compute_name(number) for number in range(1, MOST_COMPUTES + 1)]
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["/opt/cloudd/0.1/bin/python", "/opt/cloudd/current/bin/cloudd", "api", "--config", "x"], "cloudd api"),
        (["/usr/lib/erlang/erts-13.1/bin/beam.smp", "-W", "w"], "beam.smp"),
        (["sshd: root@notty", ""], "sshd"),
        ([""], "kernel"),
    ],
)
def test_programs_are_named_by_what_they_do(words: list[str], name: str) -> None:
    assert program_name(words) == name


def test_the_cloud_is_forgotten_and_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clouds.yaml"
    monkeypatch.setattr(paths, "CLOUDS_YAML", path)
    forget_cloud()
    path.write_text(json.dumps({"clouds": {"scale": {}, "mine": {"region_name": "RegionOne"}}}))
    forget_cloud()
    assert yaml.safe_load(path.read_text()) == {"clouds": {"mine": {"region_name": "RegionOne"}}}
    path.write_text(json.dumps({"clouds": {"scale": {}}}))
    forget_cloud()
    assert not path.exists()


def test_table_tells_each_figure() -> None:
    measured: dict[str, Any] = {
        "add_host": [{"compute": 3, "seconds": 30.1}, {"compute": 100, "seconds": 31.4}],
        "deploy_again": [{"hosts": 5, "seconds": 12.5}],
        "add_host_milliseconds_per_host": 13.4,
        "deploy_again_seconds_per_host": None,
        "at_rest": {
            "computes": 100,
            "controller_percent": 21.5,
            "controller_by_program": {"cloudd worker": 11.0, "beam.smp": 6.0},
            "compute_percent": 0.4,
            "agent_memory_mib": 61.0,
        },
    }
    text = table(measured)
    for figure in ("30.1", "31.4", "0.013", "12.5", "21.5 %", "cloudd worker 11.0 %", "61.0 MiB"):
        assert figure in text
    assert "None" not in text
