"""cloud_instance on the fake cloud: each act is done twice, and the second time changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

WEB = {"name": "web", "flavor": "tiny", "image": "tiny", "networks": [{"network": "private"}]}


@pytest.fixture
def twice(run: Any, cloud: Any) -> Any:
    """Check, do, do again: would change and touches nothing, changes, changes nothing. Returns the first run's result."""

    def act(**arguments: Any) -> dict[str, Any]:
        calls_before = list(cloud.calls)
        checked = run("cloud_instance", check=True, **arguments)
        assert checked.get("changed") is True, checked
        assert cloud.calls == calls_before
        first = run("cloud_instance", **arguments)
        assert first.get("changed") is True, first
        calls_between = list(cloud.calls)
        second = run("cloud_instance", **arguments)
        assert second.get("changed") is False, second
        assert cloud.calls == calls_between
        assert second["diff"] == {"before": {}, "after": {}}
        return first

    return act


def test_makes_an_instance_with_all_that_is_asked(twice: Any, run: Any) -> None:
    run("cloud_volume", name="data", size_gib=1)
    wish = {"key_name": "operator", "security_groups": ["web"], "tags": ["b", "a"], "volumes": ["data"]}
    made = twice(
        **WEB, **wish, metadata={"role": "web", "count": 3}, description="front", auto_floating_ip=True, config_drive=True, state="started"
    )
    instance = made["instance"]
    assert instance["status"] == "ACTIVE"
    assert instance["flavor"] == "tiny"
    assert instance["metadata"] == {"role": "web", "count": "3"}
    assert instance["tags"] == ["a", "b"]
    assert instance["security_groups"] == ["web"]
    assert instance["fixed_ip"].startswith("10.0.0.")
    assert instance["floating_ip"].startswith("203.0.113.")
    assert instance["volumes"] == ["volume-1"]
    assert made["changes"][0] == "created"


@pytest.mark.parametrize(
    ("change", "aspect"),
    [
        ({"metadata": {"role": "db"}}, "metadata"),
        ({"metadata": {}}, "metadata"),
        ({"tags": ["blue"]}, "tags"),
        ({"description": "other"}, "description"),
        ({"security_groups": ["web", "default"]}, "security_groups"),
        ({"networks": [{"network": "backend"}, {"network": "private"}]}, "networks"),
        ({"networks": [{"network": "private", "fixed_ip": "10.0.0.99"}]}, "networks"),
        ({"auto_floating_ip": True, "floating_network": "public"}, "floating_ip"),
        ({"state": "stopped"}, "status"),
        ({"flavor": "small", "allow_resize": True}, "flavor"),
    ],
)
def test_changes_what_can_be_changed(twice: Any, run: Any, change: dict[str, Any], aspect: str) -> None:
    run("cloud_instance", **WEB, metadata={"role": "web"})
    changed = twice(**{**WEB, **change})
    assert changed["changes"] == [aspect]
    assert list(changed["diff"]["after"]) == [aspect]


def test_leaves_alone_what_the_task_does_not_name(run: Any) -> None:
    run("cloud_instance", **WEB, metadata={"role": "web"}, tags=["a"], description="front")
    again = run("cloud_instance", name="web")
    assert again["changed"] is False
    assert (again["instance"]["metadata"], again["instance"]["tags"], again["instance"]["description"]) == ({"role": "web"}, ["a"], "front")


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"image": "debian"}, "was made from image image-tiny, not from debian"),
        ({"flavor": "small"}, "say allow_resize: true"),
        ({"key_name": "operator"}, "key_name of instance web is None"),
        ({"config_drive": True}, "config_drive of instance web is False"),
        ({"boot_from_volume": True}, "cannot be made to boot from a volume"),
        ({"availability_zone": "other"}, "availability_zone of instance web is 'nova'"),
    ],
)
def test_refuses_what_cannot_be_changed_and_touches_nothing(run: Any, cloud: Any, wish: dict[str, Any], reason: str) -> None:
    run("cloud_instance", **WEB)
    calls = list(cloud.calls)
    refused = run("cloud_instance", **{**WEB, "metadata": {"role": "db"}, **wish})
    assert refused["failed"] is True
    assert reason in refused["msg"]
    assert cloud.calls == calls


def test_every_reason_is_told_at_once(run: Any) -> None:
    run("cloud_instance", **WEB)
    refused = run("cloud_instance", **{**WEB, "image": "debian", "key_name": "operator"})
    assert len(refused["reasons"]) == 2


def test_start_stop_and_pause(run: Any, twice: Any, cloud: Any) -> None:
    run("cloud_instance", **WEB)
    assert twice(name="web", state="stopped")["instance"]["status"] == "SHUTOFF"
    assert twice(name="web", state="started")["instance"]["status"] == "ACTIVE"
    cloud.compute.pause_server("server-1")
    run("cloud_instance_info")
    for _ in range(2):
        cloud.compute.get_server("server-1")
    assert twice(name="web", state="started")["instance"]["status"] == "ACTIVE"
    assert cloud.calls[-1] == "unpause_server"


def test_reboot_is_done_each_time(run: Any, cloud: Any) -> None:
    run("cloud_instance", **WEB)
    for _ in range(2):
        assert run("cloud_instance", name="web", state="rebooted", reboot_type="hard")["changed"] is True
        assert cloud.calls[-1] == "reboot_server HARD"
    run("cloud_instance", name="web", state="stopped")
    assert run("cloud_instance", name="web", state="rebooted")["instance"]["status"] == "ACTIVE"
    assert cloud.calls[-1] == "start_server"


def test_absent_deletes_and_gives_the_floating_ip_back_only_if_told(run: Any, twice: Any, cloud: Any) -> None:
    run("cloud_instance", **WEB, auto_floating_ip=True)
    twice(name="web", state="absent")
    assert "delete_ip" not in cloud.calls
    run("cloud_instance", **WEB, auto_floating_ip=True)
    twice(name="web", state="absent", release_floating_ips=True)
    assert cloud.calls.count("delete_ip") == 1


def test_a_given_floating_ip_is_taken_only_if_it_is_free(run: Any, twice: Any, cloud: Any) -> None:
    address = cloud.network.create_ip(floating_network_id="net-public", port_id=None).floating_ip_address
    run("cloud_instance", **WEB)
    assert twice(name="web", floating_ip=address)["instance"]["floating_ip"] == address
    other = run("cloud_instance", **{**WEB, "name": "other"}, floating_ip=address)
    assert "belongs to port" in other["msg"]
    assert "has no floating IP 203.0.113.250" in run("cloud_instance", name="web", floating_ip="203.0.113.250")["msg"]


def test_boots_from_volumes(run: Any, twice: Any) -> None:
    made = twice(**{**WEB, "boot_from_volume": True, "volumes": []})
    assert made["instance"]["image_id"] is None
    assert made["instance"]["boot_volume_id"] == "volume-1"
    run("cloud_volume", name="root", size_gib=2, image="tiny")
    other = twice(name="other", flavor="tiny", boot_volume="root", networks=[{"network": "private"}])
    assert other["instance"]["boot_volume_id"] == "volume-2"
    assert "not from tiny" in run("cloud_instance", name="other", image="tiny")["msg"]


def test_volumes_are_exact(run: Any, twice: Any) -> None:
    for name in ("one", "two"):
        run("cloud_volume", name=name, size_gib=1)
    run("cloud_instance", **WEB, volumes=["one"])
    assert twice(name="web", volumes=["two"])["instance"]["volumes"] == ["volume-2"]
    assert twice(name="web", volumes=[])["instance"]["volumes"] == []


def test_an_existing_port_is_used(twice: Any, cloud: Any) -> None:
    port = cloud.network.add_port("net-backend", "", name="reserved")
    made = twice(**{**WEB, "networks": [{"port": "reserved"}]})
    assert [one["port_id"] for one in made["instance"]["networks"]] == [port.id]


def test_new_interfaces_get_the_security_groups_too(twice: Any, run: Any) -> None:
    run("cloud_instance", **WEB, security_groups=["web"])
    changed = twice(name="web", networks=[{"network": "private"}, {"network": "backend"}], security_groups=["web"])
    assert changed["changes"] == ["networks", "security_groups"]
    assert [one["security_groups"] for one in changed["instance"]["networks"]] == [["web"], ["web"]]


def test_errors_say_what_and_what_to_do(run: Any) -> None:
    assert "There is no flavor 'huge'" in run("cloud_instance", **{**WEB, "flavor": "huge"})["msg"]
    assert "There are: small, tiny." in run("cloud_instance", **{**WEB, "flavor": "huge"})["msg"]
    assert "name a flavor and an image" in run("cloud_instance", name="web")["msg"]
    assert "to reboot. Make it first" in run("cloud_instance", name="web", state="rebooted")["msg"]
    assert "leave wait at true" in run("cloud_instance", **WEB, wait=False, tags=["a"])["msg"]
    broken = run("cloud_instance", **{**WEB, "name": "broken"})
    assert "No valid host was found." in broken["msg"]
    again = run("cloud_instance", **{**WEB, "name": "broken"})
    assert "is in ERROR" in again["msg"]


def test_does_not_choose_between_namesakes(run: Any, cloud: Any) -> None:
    run("cloud_instance", **WEB)
    cloud.compute.create_server(name="web", flavor_id="flavor-tiny", image_id="image-tiny", networks="auto")
    assert "give the id instead" in run("cloud_instance", name="web", state="absent")["msg"]
    assert run("cloud_instance", name="server-2", state="absent")["changed"] is True


def test_time_is_bounded(run: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run("cloud_instance", **WEB)
    monkeypatch.setattr(cloud.compute, "stop_server", lambda server: None)
    late = run("cloud_instance", name="web", state="stopped", timeout_seconds=0)
    assert "Raise timeout_seconds" in late["msg"]


def test_info_returns_what_matches(run: Any) -> None:
    for name, role in (("a", "web"), ("b", "web"), ("c", "db"), ("d", "db"), ("e", "db")):
        run("cloud_instance", **{**WEB, "name": name, "metadata": {"role": role}, "tags": [f"tag-{name}"]})
    run("cloud_instance", name="b", state="stopped")

    def names(**conditions: Any) -> list[str]:
        return [instance["name"] for instance in run("cloud_instance_info", **conditions)["instances"]]

    assert names() == ["a", "b", "c", "d", "e"]
    assert names(metadata={"role": "web"}) == ["a", "b"]
    assert names(metadata={"role": "web"}, status="shutoff") == ["b"]
    assert names(tags=["tag-c"]) == ["c"]
    assert names(name="server-4") == ["d"]
    assert names(name="nobody") == []
