"""cloud_host, and the states of cloud_instance that move it, on the fake cloud: done twice, the second time changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

WEB = {"name": "web", "flavor": "tiny", "image": "tiny", "networks": [{"network": "private"}]}


@pytest.fixture
def twice(run: Any, cloud: Any) -> Any:
    """Check, do, do again: would change and touches nothing, changes, changes nothing. Returns the first run's result."""

    def act(module: str, **arguments: Any) -> dict[str, Any]:
        calls_before = list(cloud.calls)
        checked = run(module, check=True, **arguments)
        assert checked.get("changed") is True, checked
        assert cloud.calls == calls_before
        first = run(module, **arguments)
        assert first.get("changed") is True, first
        assert first["changes"] == checked["changes"]
        calls_between = list(cloud.calls)
        second = run(module, **arguments)
        assert second.get("changed") is False, second
        assert cloud.calls == calls_between
        assert second["diff"] == {"before": {}, "after": {}}
        return dict(first)

    return act


def test_disable_and_enable(twice: Any, run: Any) -> None:
    disabled = twice("cloud_host", name="compute1", state="disabled", reason="new memory")
    assert (disabled["host"]["status"], disabled["host"]["disabled_reason"]) == ("disabled", "new memory")
    assert disabled["diff"]["before"] == {"status": "enabled", "disabled_reason": None}
    assert run("cloud_host", name="compute1", state="disabled")["changed"] is False
    again = twice("cloud_host", name="compute1", state="disabled", reason="burnt")
    assert again["changes"] == ["disabled_reason"]
    assert twice("cloud_host", name="compute1", state="enabled")["host"]["disabled_reason"] is None


def test_declared_dead(twice: Any) -> None:
    dead = twice("cloud_host", name="compute1", state="disabled", forced_down=True)
    assert (dead["host"]["state"], dead["host"]["forced_down"]) == ("down", True)
    alive = twice("cloud_host", name="compute1", state="enabled", forced_down=False)
    assert alive["changes"] == ["status", "forced_down"]


def test_drain_moves_what_runs_live_and_the_rest_cold(twice: Any, run: Any, cloud: Any) -> None:
    run("cloud_instance", **WEB)
    run("cloud_instance", **{**WEB, "name": "off"}, state="stopped")
    drained = twice("cloud_host", name="compute1", state="drained", reason="repair")
    assert drained["host"]["instances"] == []
    moves = [call for call in cloud.calls if call in ("live_migrate_server", "migrate_server", "confirm_server_resize")]
    assert moves == ["migrate_server", "live_migrate_server", "confirm_server_resize"]
    shown = {one["name"]: one for one in run("cloud_host_info", name="compute2")["hosts"][0]["instances"]}
    assert (shown["web"]["status"], shown["off"]["status"]) == ("ACTIVE", "SHUTOFF")


def test_a_drain_that_cannot_be_done_is_refused_as_a_whole(run: Any, cloud: Any) -> None:
    run("cloud_instance", **WEB)
    cloud.compute.resize_server("server-1", "flavor-small")
    for _ in range(3):
        cloud.compute.get_server("server-1")
    calls = list(cloud.calls)
    refused = run("cloud_host", name="compute1", state="drained")
    assert "Confirm or revert its resize first." in refused["msg"]
    assert cloud.calls == calls


def test_a_drain_says_who_would_not_go(run: Any) -> None:
    run("cloud_instance", **{**WEB, "name": "stuck"})
    refused = run("cloud_host", name="compute1", state="drained")
    assert refused["failed"] is True
    assert refused["reasons"] == ["Instance stuck is still on host compute1: No valid host was found."]


def test_an_unknown_host_is_refused_with_those_there_are(run: Any) -> None:
    assert "There are: compute1, compute2." in run("cloud_host", name="compute9", state="enabled")["msg"]


@pytest.mark.parametrize(
    ("state", "calls"),
    [
        ("migrated", ["migrate_server", "confirm_server_resize"]),
        ("live_migrated", ["live_migrate_server"]),
        ("evacuated", ["evacuate_server", "start_server"]),
    ],
)
@pytest.mark.parametrize("where", [{"host": "compute2"}, {"away_from": "compute1"}])
def test_an_instance_moves_once(twice: Any, run: Any, cloud: Any, state: str, calls: list[str], where: dict[str, str]) -> None:
    run("cloud_instance", **WEB)
    before = len(cloud.calls)
    moved = twice("cloud_instance", name="web", state=state, **where)
    assert (moved["instance"]["host"], moved["instance"]["status"]) == ("compute2", "ACTIVE")
    assert moved["diff"] == {"before": {"host": "compute1"}, "after": {"host": "compute2"}}
    assert cloud.calls[before:] == calls


@pytest.mark.parametrize(("power_state", "status"), [(1, "ACTIVE"), (4, "SHUTOFF")])
def test_an_instance_whose_first_evacuation_failed_gets_back_what_it_was(run: Any, cloud: Any, power_state: int, status: str) -> None:
    run("cloud_instance", **WEB)
    cloud.compute.keep("server-1", "status", "ERROR")
    cloud.compute.keep("server-1", "power_state", power_state)
    moved = run("cloud_instance", name="web", state="evacuated", away_from="compute1")
    assert (moved["instance"]["host"], moved["instance"]["status"]) == ("compute2", status)


def test_an_instance_that_is_off_is_migrated_cold_and_stays_off(run: Any, twice: Any) -> None:
    run("cloud_instance", **WEB, state="stopped")
    assert "Use state: migrated" in run("cloud_instance", name="web", state="live_migrated")["msg"]
    assert twice("cloud_instance", name="web", state="migrated", away_from="compute1")["instance"]["status"] == "SHUTOFF"


def test_what_is_refused(run: Any) -> None:
    assert "No instance of any project has" in run("cloud_instance", name="web", state="migrated")["msg"]
    run("cloud_instance", **WEB)
    assert "are for the states" in run("cloud_instance", name="web", away_from="compute1")["msg"]
    run("cloud_instance", **{**WEB, "name": "stuck"})
    assert "still on host compute1" in run("cloud_instance", name="stuck", state="live_migrated")["msg"]


def test_instances_of_a_host(run: Any) -> None:
    run("cloud_instance", **WEB)
    assert [one["name"] for one in run("cloud_instance_info", host="compute1")["instances"]] == ["web"]
    assert run("cloud_instance_info", host="compute2")["instances"] == []
