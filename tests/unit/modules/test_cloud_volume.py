"""cloud_volume on the fake cloud: each act is done twice, and the second time changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

DATA = {"name": "data", "size_gib": 2}
WEB = {"flavor": "tiny", "image": "tiny", "networks": [{"network": "private"}]}


@pytest.fixture
def twice(run: Any, cloud: Any) -> Any:
    """Check, do, do again: would change and touches nothing, changes, changes nothing. Returns the first run's result."""

    def act(**arguments: Any) -> dict[str, Any]:
        calls_before = list(cloud.calls)
        checked = run("cloud_volume", check=True, **arguments)
        assert checked.get("changed") is True, checked
        assert cloud.calls == calls_before
        first = run("cloud_volume", **arguments)
        assert first.get("changed") is True, first
        calls_between = list(cloud.calls)
        second = run("cloud_volume", **arguments)
        assert second.get("changed") is False, second
        assert cloud.calls == calls_between
        return first

    return act


def test_makes_a_volume(twice: Any) -> None:
    made = twice(**DATA, description="for the web", metadata={"owner": "web"}, volume_type="file", availability_zone="nova")
    assert made["volume"]["status"] == "available"
    assert made["volume"]["size_gib"] == 2
    assert made["changes"] == ["created"]


def test_makes_a_volume_from_an_image_and_from_a_volume(twice: Any) -> None:
    assert twice(name="root", size_gib=1, image="tiny")["volume"]["image_id"] == "image-tiny"
    copy = twice(name="copy", source_volume="root")
    assert (copy["volume"]["size_gib"], copy["volume"]["source_volume_id"]) == (1, "volume-1")


@pytest.mark.parametrize(
    ("change", "aspect"),
    [
        ({"description": "other"}, "description"),
        ({"metadata": {"owner": "db"}}, "metadata"),
        ({"bootable": True}, "bootable"),
        ({"state": "extended", "size_gib": 3}, "size_gib"),
    ],
)
def test_changes_what_can_be_changed(twice: Any, run: Any, change: dict[str, Any], aspect: str) -> None:
    run("cloud_volume", **DATA)
    changed = twice(**{**DATA, **change})
    assert changed["changes"] == [aspect]
    assert changed["volume"][aspect] == (change.get(aspect) if aspect != "metadata" else {"owner": "db", "readonly": "False"})


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"size_gib": 1}, "cannot shrink to 1"),
        ({"size_gib": 1, "state": "extended"}, "cannot shrink to 1"),
        ({"size_gib": 3}, "Say state: extended"),
        ({"image": "debian"}, "not from debian"),
        ({"availability_zone": "moon"}, "is in availability zone nova, not moon"),
    ],
)
def test_refuses_what_cannot_be_changed_and_touches_nothing(run: Any, cloud: Any, wish: dict[str, Any], reason: str) -> None:
    run("cloud_volume", **DATA)
    calls = list(cloud.calls)
    refused = run("cloud_volume", **{**DATA, "description": "other", **wish})
    assert refused["failed"] is True
    assert reason in refused["msg"]
    assert cloud.calls == calls


def test_attaches_and_detaches(run: Any, twice: Any) -> None:
    for name in ("web", "db"):
        run("cloud_instance", name=name, **WEB)
    attached = twice(**DATA, state="attached", instance="web")
    assert attached["changes"] == ["created", "attachments"]
    assert [one["instance"] for one in attached["volume"]["attachments"]] == ["web"]
    assert "is attached to web. Detach it first" in run("cloud_volume", name="data", state="attached", instance="db")["msg"]
    assert run("cloud_volume", name="data", state="detached", instance="db")["changed"] is False
    assert twice(name="data", state="detached")["volume"]["status"] == "available"
    assert twice(name="data", state="attached", instance="db")["volume"]["status"] == "in-use"


def test_extends_while_attached(run: Any, twice: Any) -> None:
    run("cloud_instance", name="web", **WEB)
    run("cloud_volume", **DATA, state="attached", instance="web")
    grown = twice(name="data", state="extended", size_gib=5)
    assert (grown["volume"]["size_gib"], grown["volume"]["status"]) == (5, "in-use")


def test_absent_spares_an_attached_volume_unless_told(run: Any, twice: Any) -> None:
    run("cloud_instance", name="web", **WEB)
    run("cloud_volume", **DATA, state="attached", instance="web")
    assert "Say detach: true" in run("cloud_volume", name="data", state="absent")["msg"]
    twice(name="data", state="absent", detach=True)
    assert run("cloud_volume_info")["volumes"] == []


def test_errors_say_what_and_what_to_do(run: Any, cloud: Any) -> None:
    assert "to make it, say size_gib" in run("cloud_volume", name="data")["msg"]
    assert "There is no volume 'data' to detach" in run("cloud_volume", name="data", state="detached")["msg"]
    assert "There is no instance 'web'" in run("cloud_volume", **DATA, state="attached", instance="web")["msg"]
    assert "instance" in run("cloud_volume", **DATA, state="attached")["msg"]
    run("cloud_volume", **DATA)
    cloud.block_storage.break_volume("volume-1")
    assert "is in status error" in run("cloud_volume", **DATA)["msg"]


def test_info_returns_what_matches(run: Any) -> None:
    run("cloud_instance", name="web", **WEB)
    run("cloud_volume", name="a", size_gib=1, metadata={"owner": "web"})
    run("cloud_volume", name="b", size_gib=1, state="attached", instance="web")

    def names(**conditions: Any) -> list[str]:
        return [volume["name"] for volume in run("cloud_volume_info", **conditions)["volumes"]]

    assert names() == ["a", "b"]
    assert names(instance="web") == ["b"]
    assert names(status="available") == ["a"]
    assert names(metadata={"owner": "web"}) == ["a"]
    assert names(name="b") == ["b"]
