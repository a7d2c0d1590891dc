"""Each thing that may be wrong with a host is told, and a sound host has nothing to say."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

GIB = 1024**3
SYNCED = {"wsrep_on": "ON", "wsrep_local_state_comment": "Synced", "wsrep_cluster_size": "3"}
RUNNING = {"running_nodes": ["rabbit@a", "rabbit@b", "rabbit@c"], "local_node": "rabbit@a", "partitions": {}, "alarms": []}


@pytest.fixture(scope="module")
def health(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/host_health.py")


@pytest.fixture(scope="module")
def report(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("plugins/action/health_report.py")


def told(findings: Any) -> list[tuple[str, str]]:
    found = list(findings)
    assert all(one["text"] and one["remedy"] for one in found)
    return [(one["level"], one["subject"]) for one in found]


def test_a_sound_host_has_nothing_to_say(health: ModuleType) -> None:
    assert told(health.unit_findings(["a.service"], {"a.service": "active"})) == []
    assert told(health.failed_findings([], ["a.service"])) == []
    assert told(health.disk_findings({"/": (100 * GIB, 50 * GIB)})) == []
    assert told(health.memory_findings(1000, 500)) == []
    assert told(health.certificate_findings({"host.pem": 100 * 86400}, 0, 30)) == []
    assert told(health.galera_findings(SYNCED, 3)) == []
    assert told(health.galera_findings({"wsrep_on": "OFF"}, 1)) == []
    assert told(health.rabbitmq_findings(RUNNING, 3)) == []
    assert told(health.queue_findings([{"name": "compute.control", "messages": 3, "consumers": 3}])) == []


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        ("unit_findings", (["a.service"], {"a.service": "failed"}), [("error", "a.service")]),
        ("unit_findings", (["a.service"], {}), [("error", "a.service")]),
        ("failed_findings", (["a.service", "b.service"], ["a.service"]), [("warning", "b.service")]),
        ("disk_findings", ({"/": (100 * GIB, 10 * GIB)},), [("warning", "/")]),
        ("disk_findings", ({"/": (100 * GIB, 1 * GIB)},), [("error", "/")]),
        ("memory_findings", (100000, 1000), [("warning", "memory")]),
        ("certificate_findings", ({"host.pem": 10 * 86400}, 0, 30), [("warning", "host.pem")]),
        ("certificate_findings", ({"host.pem": -86400}, 0, 30), [("error", "host.pem")]),
        ("galera_findings", (None, 3), [("error", "MariaDB")]),
        ("galera_findings", (SYNCED | {"wsrep_cluster_size": "2"}, 3), [("warning", "MariaDB")]),
        ("galera_findings", (SYNCED | {"wsrep_local_state_comment": "Joining"}, 3), [("error", "MariaDB")]),
        ("rabbitmq_findings", (None, 3), [("error", "RabbitMQ")]),
        ("rabbitmq_findings", (RUNNING | {"running_nodes": ["rabbit@a"]}, 3), [("warning", "RabbitMQ")]),
        ("rabbitmq_findings", (RUNNING | {"alarms": ["disk"]}, 3), [("error", "RabbitMQ")]),
        ("rabbitmq_findings", (RUNNING | {"partitions": {"rabbit@a": ["rabbit@b"]}}, 3), [("error", "RabbitMQ")]),
        ("queue_findings", ([{"name": "compute.control", "messages": 5000, "consumers": 0}],), [("warning", "compute.control")]),
    ],
)
def test_each_fault(health: ModuleType, function: str, arguments: tuple[Any, ...], expected: list[tuple[str, str]]) -> None:
    assert told(getattr(health, function)(*arguments)) == expected


def test_one_node_lists_the_queues_for_all(health: ModuleType) -> None:
    assert health.is_first(RUNNING)
    assert not health.is_first(RUNNING | {"local_node": "rabbit@b"})
    assert not health.is_first(None)


def checks(*findings: dict[str, str]) -> dict[str, Any]:
    return {"checks": [{"name": "host.disks", "title": "disks", "findings": list(findings)}]}


FULL = {"level": "error", "subject": "/", "text": "is 99% full", "remedy": "make room"}


def test_the_report_names_hosts_and_remedies(report: ModuleType) -> None:
    rows = report.rows_of({"one": checks(), "two": checks(FULL)}, [{"name": "api", "title": "API", "findings": []}])
    assert not report.is_healthy(rows)
    text = report.table(rows)
    assert "disks   1 error" in text
    assert "ERROR: two: / is 99% full" in text
    assert "-> make room" in text
    assert "API     well" in text


def test_a_host_that_does_not_answer_is_told(report: ModuleType) -> None:
    rows = report.rows_of({"one": checks(), "two": {"unreachable": True}}, [])
    assert [(f["host"], f["text"]) for row in rows for f in row["findings"]] == [("two", "does not answer ssh")]
    assert not report.is_healthy(rows)


@pytest.mark.parametrize(("clock", "expected"), [(100, []), (130, []), (144, []), (90, ["-10.0"]), (160, ["+20.0"])])
def test_a_clock_is_wrong_only_outside_the_time_that_passed(report: ModuleType, clock: float, expected: list[str]) -> None:
    rows = report.rows_of({"one": checks() | {"asked": 100.0, "clock": clock}}, [], 140.0, 5)
    assert [f["text"].split()[1] for row in rows for f in row["findings"]] == expected


def test_warnings_alone_are_healthy(report: ModuleType) -> None:
    assert report.is_healthy(report.rows_of({"one": checks(FULL | {"level": "warning"})}, []))
