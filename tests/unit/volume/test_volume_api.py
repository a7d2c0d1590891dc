"""The volume API as cinder's clients use it."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from cloudd.kit.auth import system_context
from cloudd.volume.agent import VolumeAgent
from cloudd.volume.client import VolumeClient, VolumeSpec
from cloudd.volume.domain.healing import Healing
from cloudd.volume.domain.progress import Progress
from cloudd.volume.drivers.base import GIB
from cloudd.volume.drivers.fake import FakeDriver
from cloudd.volume.errors import CopyFailed, InvalidVolume
from tests.conftest import EmbeddedCloud

pytestmark = pytest.mark.services("identity", "image", "volume")
LATEST = "3.71"


class User:
    def __init__(self, cloud: EmbeddedCloud, name: str, version: str = "3.0") -> None:
        self.cloud, self.name, self.version = cloud, name, version

    async def __call__(self, method: str, path: str, json: Any = None, status: int = 200, version: str | None = None) -> Any:
        headers = {"OpenStack-API-Version": f"volume {version or self.version}"}
        options = {} if json is None else {"json": json}
        answer: httpx.Response = await self.cloud.request(method, f"/volume/v3{path}", as_=self.name, headers=headers, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.headers["openstack-api-version"] == f"volume {version or self.version}"
        return answer.json() if answer.content else None

    async def volume(self, status: int = 202, version: str | None = None, **body: Any) -> dict[str, Any]:
        made = await self("POST", "/volumes", {"volume": {"size": 1, **body}}, status=status, version=version)
        if status == 202:
            await self.cloud.settle()
            return await self.show(made["volume"]["id"])
        return made  # type: ignore[no-any-return]

    async def show(self, volume_id: str, version: str | None = None) -> dict[str, Any]:
        return (await self("GET", f"/volumes/{volume_id}", version=version))["volume"]  # type: ignore[no-any-return]

    async def act(self, volume_id: str, status: int = 202, version: str | None = None, **action: Any) -> Any:
        body = {name if name == "revert" else f"os-{name}": value for name, value in action.items()}
        answer = await self("POST", f"/volumes/{volume_id}/action", body, status=status, version=version)
        await self.cloud.settle()
        return answer

    async def snapshot(self, volume_id: str, status: int = 202, **body: Any) -> dict[str, Any]:
        made = await self("POST", "/snapshots", {"snapshot": {"volume_id": volume_id, **body}}, status=status)
        if status == 202:
            await self.cloud.settle()
            return (await self("GET", f"/snapshots/{made['snapshot']['id']}"))["snapshot"]  # type: ignore[no-any-return]
        return made  # type: ignore[no-any-return]

    async def image(self, content: bytes = b"disk" * 1000, **body: Any) -> str:
        made = await self.cloud.request(
            "POST", "/image/v2/images", as_=self.name, json={"disk_format": "raw", "container_format": "bare", **body}
        )
        image_id = made.json()["id"]
        headers = {"Content-Type": "application/octet-stream"}
        path = f"/image/v2/images/{image_id}/file"
        assert (await self.cloud.request("PUT", path, as_=self.name, content=content, headers=headers)).status_code == 204
        return str(image_id)


@pytest.fixture
def demo(cloud: EmbeddedCloud) -> User:
    return User(cloud, "demo")


@pytest.fixture
def other(cloud: EmbeddedCloud) -> User:
    return User(cloud, "other")


@pytest.fixture
def admin(cloud: EmbeddedCloud) -> User:
    return User(cloud, "admin")


@pytest.fixture
def driver(cloud: EmbeddedCloud) -> FakeDriver:
    (agent,) = [agent for agent in cloud.process.agents if isinstance(agent, VolumeAgent)]
    assert isinstance(agent.driver, FakeDriver)
    return agent.driver


async def test_versions(cloud: EmbeddedCloud) -> None:
    answer = await cloud.request("GET", "/volume/", as_=None)
    assert answer.status_code == 300
    assert answer.json()["versions"][0]["version"] == LATEST
    assert (await cloud.request("GET", "/volume/v3/", as_=None)).json()["versions"][0]["id"] == "v3.0"


@pytest.mark.both_databases
async def test_a_volume_from_birth_to_death(demo: User, driver: FakeDriver) -> None:
    answer = await demo("POST", "/volumes", {"volume": {"size": 2, "name": "v", "metadata": {"a": "b"}}}, status=202)
    made = answer["volume"]
    assert (made["status"], made["size"], made["bootable"], made["volume_type"]) == ("creating", 2, "false", "__DEFAULT__")
    await demo.cloud.settle()
    shown = await demo.show(made["id"])
    assert (shown["status"], shown["metadata"], shown["attachments"]) == ("available", {"a": "b"}, [])
    assert driver.disks[made["id"]].size_bytes == 2 * GIB
    assert (await demo("PUT", f"/volumes/{made['id']}", {"volume": {"name": "w", "description": None}}))["volume"]["name"] == "w"
    await demo("DELETE", f"/volumes/{made['id']}", status=202)
    await demo.cloud.settle()
    await demo("GET", f"/volumes/{made['id']}", status=404)
    assert driver.disks == {}


async def test_the_project_in_the_path_must_be_the_tokens(demo: User) -> None:
    project = demo.cloud.projects["demo"]
    volume = await demo.volume()
    assert (await demo("GET", f"/{project}/volumes/{volume['id']}"))["volume"]["id"] == volume["id"]
    assert len((await demo("GET", f"/{project}/volumes/detail"))["volumes"]) == 1
    await demo("GET", f"/{demo.cloud.projects['other']}/volumes", status=403)


async def test_bad_bodies(demo: User) -> None:
    for body, status in (
        ({"size": 0}, 400), ({"size": -1}, 400), ({"size": ""}, 400), ({"size": "#$%"}, 400), ({"size": None}, 400), ({"size": 1.5}, 400),
        ({"volume_type": str(uuid4())}, 404), ({"snapshot_id": str(uuid4())}, 404), ({"source_volid": str(uuid4())}, 404),
        ({"imageRef": str(uuid4())}, 400), ({"availability_zone": "nowhere"}, 400), ({"metadata": {"": "x"}}, 400),
        ({"name": "x" * 256}, 400), ({"metadata": {"a": 1}}, 400), ({"size": 2**31}, 400), ({"size": 1001}, 413), ({"backup_id": "x"}, 400),
    ):  # fmt: skip
        await demo.volume(status=status, **body)
    await demo("POST", "/volumes", {}, status=400)
    await demo("POST", "/snapshots", {"snapshot": {"volume_id": None}}, status=404)
    await demo("GET", "/volumes/nonsense", status=404)
    await demo("GET", "/volumes/", status=404)
    await demo("DELETE", f"/volumes/{uuid4()}", status=404)
    await demo("PUT", f"/volumes/{uuid4()}", {"volume": {"name": "x"}}, status=404)
    error = await demo("GET", f"/volumes/{uuid4()}", status=404)
    assert error["itemNotFound"]["code"] == 404


async def test_another_projects_volumes_do_not_exist(demo: User, other: User, admin: User) -> None:
    volume = await demo.volume()
    snapshot = await demo.snapshot(volume["id"])
    for method, path, body in (
        ("GET", f"/volumes/{volume['id']}", None), ("DELETE", f"/volumes/{volume['id']}", None),
        ("PUT", f"/volumes/{volume['id']}", {"volume": {"name": "x"}}), ("GET", f"/snapshots/{snapshot['id']}", None),
        ("POST", f"/volumes/{volume['id']}/action", {"os-extend": {"new_size": 5}}), ("DELETE", f"/snapshots/{snapshot['id']}", None),
        ("POST", "/snapshots", {"snapshot": {"volume_id": volume["id"]}}), ("GET", f"/volumes/{volume['id']}/metadata", None),
    ):  # fmt: skip
        await other(method, path, body, status=404)
    assert (await other("GET", "/volumes"))["volumes"] == []
    assert (await admin("GET", "/volumes"))["volumes"] == []
    assert len((await admin("GET", "/volumes/detail?all_tenants=1"))["volumes"]) == 1
    assert (await admin.show(volume["id"]))["os-vol-host-attr:host"] == "testhost@fake#fake"


async def test_volumes_from_images_snapshots_and_volumes(demo: User, driver: FakeDriver) -> None:
    image = await demo.image(name="disk", os_distro="debian")
    volume = await demo.volume(imageRef=image)
    assert (volume["status"], volume["bootable"]) == ("available", "true")
    remembered = volume["volume_image_metadata"]
    assert (remembered["image_id"], remembered["image_name"], remembered["os_distro"]) == (image, "disk", "debian")
    assert driver.disks[volume["id"]].written[0].startswith(b"disk")
    snapshot = await demo.snapshot(volume["id"], name="s", metadata={"k": "v"})
    assert (snapshot["status"], snapshot["size"], snapshot["os-extended-snapshot-attributes:progress"]) == ("available", 1, "100%")
    restored = await demo.volume(size=None, snapshot_id=snapshot["id"])
    clone = await demo.volume(size=2, source_volid=volume["id"])
    assert (restored["size"], restored["bootable"], restored["snapshot_id"]) == (1, "true", snapshot["id"])
    assert (clone["size"], clone["source_volid"]) == (2, volume["id"])
    assert driver.disks[clone["id"]].written == driver.disks[volume["id"]].written == driver.disks[restored["id"]].written
    big = await demo.volume(size=3)
    big_snapshot = await demo.snapshot(big["id"])
    await demo.volume(status=400, size=2, snapshot_id=big_snapshot["id"])
    large_image = await demo.image(min_disk=5)
    await demo.volume(status=400, imageRef=large_image)
    await demo("DELETE", f"/volumes/{volume['id']}", status=400)
    await demo("DELETE", f"/snapshots/{snapshot['id']}", status=202)
    await demo.cloud.settle()
    await demo("GET", f"/snapshots/{snapshot['id']}", status=404)
    await demo("DELETE", f"/volumes/{big['id']}?cascade=true", status=202)
    await demo.cloud.settle()
    await demo("GET", f"/snapshots/{big_snapshot['id']}", status=404)
    assert driver.kept == {}


async def test_a_failed_create_ends_in_error_and_leaves_nothing(demo: User, driver: FakeDriver) -> None:
    driver.fail_next["create"] = CopyFailed(command="test", reason="on purpose")
    volume = await demo.volume()
    assert volume["status"] == "error"
    assert driver.disks == {}
    await demo("DELETE", f"/volumes/{volume['id']}", status=202)
    await demo.cloud.settle()
    await demo("GET", f"/volumes/{volume['id']}", status=404)


async def test_failed_snapshots_extends_and_deletes_say_so(demo: User, driver: FakeDriver) -> None:
    failure = CopyFailed(command="test", reason="on purpose")
    volume = await demo.volume()
    driver.fail_next["create_snapshot"] = failure
    snapshot = await demo.snapshot(volume["id"])
    assert snapshot["status"] == "error"
    driver.fail_next["delete_snapshot"] = failure
    await demo("DELETE", f"/snapshots/{snapshot['id']}", status=202)
    await demo.cloud.settle()
    assert (await demo("GET", f"/snapshots/{snapshot['id']}"))["snapshot"]["status"] == "error_deleting"
    await demo("DELETE", f"/snapshots/{snapshot['id']}", status=202)
    await demo.cloud.settle()
    driver.fail_next["extend"] = failure
    await demo.act(volume["id"], extend={"new_size": 2})
    assert (await demo.show(volume["id"]))["status"] == "error_extending"
    driver.fail_next["delete"] = failure
    await demo("DELETE", f"/volumes/{volume['id']}", status=202)
    await demo.cloud.settle()
    assert (await demo.show(volume["id"]))["status"] == "error_deleting"
    await demo("DELETE", f"/volumes/{volume['id']}", status=202)
    await demo.cloud.settle()
    assert driver.disks == {}


async def test_actions(demo: User, admin: User, driver: FakeDriver) -> None:
    volume_id = (await demo.volume())["id"]
    await demo.act(volume_id, extend={"new_size": 3})
    assert ((await demo.show(volume_id))["size"], driver.disks[volume_id].size_bytes) == (3, 3 * GIB)
    await demo.act(volume_id, extend={"new_size": 3}, status=400)
    await demo.act(volume_id, extend={"new_size": "x"}, status=400)
    await demo.act(volume_id, set_bootable={"bootable": "true"}, status=200)
    await demo.act(volume_id, update_readonly_flag={"readonly": True})
    shown = await demo.show(volume_id)
    assert (shown["bootable"], shown["metadata"]["readonly"]) == ("true", "True")
    await demo.act(volume_id, set_image_metadata={"metadata": {"a": "b"}}, status=200)
    assert (await demo.act(volume_id, show_image_metadata=None, status=200))["metadata"] == {"a": "b"}
    await demo.act(volume_id, unset_image_metadata={"key": "a"}, status=200)
    await demo.act(volume_id, unset_image_metadata={"key": "a"}, status=404)
    await demo.act(volume_id, reset_status={"status": "error"}, status=403)
    await admin.act(volume_id, reset_status={"status": "bogus"}, status=400)
    await admin.act(volume_id, reset_status={"status": "error"})
    assert (await demo.show(volume_id))["status"] == "error"
    await demo.act(volume_id, force_delete={}, status=403)
    await demo("POST", f"/volumes/{volume_id}/action", {"os-nothing": {}}, status=400)
    await demo("POST", f"/volumes/{volume_id}/action", {"os-reserve": {}, "os-unreserve": {}}, status=400)
    await admin.act(volume_id, force_delete={})
    await demo("GET", f"/volumes/{volume_id}", status=404)


async def test_revert_gives_the_latest_snapshot_back(demo: User, driver: FakeDriver) -> None:
    volume_id = (await demo.volume())["id"]
    driver.disks[volume_id].written[0] = b"before"
    old, new = await demo.snapshot(volume_id), await demo.snapshot(volume_id)
    driver.disks[volume_id].written[0] = b"after"
    await demo.act(volume_id, revert={"snapshot_id": new["id"]}, status=400, version="3.39")
    await demo.act(volume_id, revert={"snapshot_id": old["id"]}, status=400, version="3.40")
    await demo.act(volume_id, revert={"snapshot_id": new["id"]}, version="3.40")
    assert driver.disks[volume_id].written[0] == b"before"
    assert (await demo.show(volume_id))["status"] == "available"


async def test_upload_to_an_image(demo: User, driver: FakeDriver) -> None:
    volume_id = (await demo.volume())["id"]
    driver.disks[volume_id].written[0] = b"content" * 100
    answer = (await demo.act(volume_id, volume_upload_image={"image_name": "up", "disk_format": "raw"}))["os-volume_upload_image"]
    image = (await demo.cloud.request("GET", f"/image/v2/images/{answer['image_id']}")).json()
    assert (image["status"], image["size"], image["visibility"]) == ("active", 700, "private")
    assert (await demo.show(volume_id))["status"] == "available"
    driver.fail_next["write_image"] = CopyFailed(command="test", reason="on purpose")
    answer = (await demo.act(volume_id, volume_upload_image={"image_name": "up"}))["os-volume_upload_image"]
    assert (await demo.cloud.request("GET", f"/image/v2/images/{answer['image_id']}")).status_code == 404
    assert (await demo.show(volume_id))["status"] == "available"
    await demo.act(volume_id, volume_upload_image={"image_name": "up", "disk_format": "iso"}, status=400)


async def test_metadata_whole_and_by_item(demo: User) -> None:
    volume_id = (await demo.volume())["id"]
    snapshot_id = (await demo.snapshot(volume_id))["id"]
    for path in (f"/volumes/{volume_id}/metadata", f"/snapshots/{snapshot_id}/metadata"):
        assert (await demo("POST", path, {"metadata": {"a": "1", "b": "2"}}))["metadata"] == {"a": "1", "b": "2"}
        assert (await demo("PUT", path, {"metadata": {"c": "3"}}))["metadata"] == {"c": "3"}
        assert (await demo("PUT", f"{path}/c", {"meta": {"c": "4"}}))["meta"] == {"c": "4"}
        assert (await demo("GET", f"{path}/c"))["meta"] == {"c": "4"}
        await demo("PUT", f"{path}/c", {"meta": {"d": "4"}}, status=400)
        await demo("GET", f"{path}/none", status=404)
        await demo("DELETE", f"{path}/c")
        await demo("DELETE", f"{path}/c", status=404)
        assert (await demo("GET", path))["metadata"] == {}


@pytest.mark.both_databases
async def test_lists_filter_sort_and_page(demo: User) -> None:
    for name, size in (("a", 1), ("b", 2), ("c", 3)):
        await demo.volume(name=name, size=size, metadata={"key": name})

    async def names(query: str, version: str = "3.0") -> list[str]:
        return [volume["name"] for volume in (await demo("GET", f"/volumes/detail?{query}", version=version))["volumes"]]

    for query, expected in (
        ("", ["c", "b", "a"]), ("sort_key=size&sort_dir=asc", ["a", "b", "c"]), ("sort=name:asc", ["a", "b", "c"]), ("name=b", ["b"]),
        ("status=available&limit=1", ["c"]), ("status=bogus", []), ("availability_zone=nova&name=a", ["a"]), ("limit=0", []),
        ("metadata=%7B'key':%20'b'%7D", ["b"]), ('metadata={"key":"x"}', []), ("bootable=true", []),
        ("offset=1&sort=name:asc&limit=1", ["b"]),
    ):  # fmt: skip
        assert await names(query) == expected, query
    assert await names("name~=b", "3.31") == ["b"]
    assert await names("created_at=gt:2020-01-01T00:00:00,lt:2021-01-01T00:00:00", "3.60") == []
    for query in ("limit=x", "limit=-1", "sort_key=bogus", "sort_key=name&sort_dir=x", "metadata=x"):
        await demo("GET", f"/volumes?{query}", status=400)
    await demo("GET", "/volumes?marker=none", status=404)
    await demo("GET", "/snapshots?marker=none", status=404)
    first = await demo("GET", "/volumes?limit=2&sort=name:asc&with_count=true", version="3.45")
    assert first["count"] == 3
    (link,) = first["volumes_links"]
    assert link["rel"] == "next"
    assert link["href"].startswith("http://cloud/volume/v3/volumes?limit=2")
    second = await demo("GET", link["href"].removeprefix("http://cloud/volume/v3"))
    assert [volume["name"] for volume in second["volumes"]] == ["c"]
    assert "volumes_links" not in second
    summary = (await demo("GET", "/volumes/summary", version="3.36"))["volume-summary"]
    assert (summary["total_size"], summary["total_count"], sorted(summary["metadata"]["key"])) == (6, 3, ["a", "b", "c"])


async def test_views_grow_with_the_microversion(demo: User) -> None:
    volume_id = (await demo.volume())["id"]
    old, new = await demo.show(volume_id), await demo.show(volume_id, version=LATEST)
    assert set(new) - set(old) == {"group_id", "service_uuid", "shared_targets", "volume_type_id", "consumes_quota"}
    await demo("GET", "/attachments", status=404, version="3.26")
    headers = {"OpenStack-API-Version": "volume 3.72"}
    assert (await demo.cloud.request("GET", "/volume/v3/volumes", headers=headers)).status_code == 406


@pytest.mark.both_databases
async def test_quotas(demo: User, admin: User, other: User) -> None:
    project = demo.cloud.projects["demo"]
    path = f"/os-quota-sets/{project}"
    assert (await demo("GET", path))["quota_set"]["volumes"] == 10
    await other("GET", path, status=403)
    await demo("PUT", path, {"quota_set": {"volumes": 100}}, status=403)
    await admin("PUT", path, {"quota_set": {"volumes": -2}}, status=400)
    await admin("PUT", path, {"quota_set": {"bogus": 1}}, status=400)
    assert (await admin("PUT", path, {"quota_set": {"volumes": 2, "gigabytes": 5, "per_volume_gigabytes": 4}}))["quota_set"]["volumes"] == 2
    first = await demo.volume(size=2)
    await demo.volume(status=413, size=5)
    await demo.act(first["id"], extend={"new_size": 5}, status=413)
    await demo.snapshot(first["id"])
    await demo.snapshot(first["id"], status=413)
    await demo.volume(size=1)
    await demo.volume(status=413, size=1)
    usage = (await demo("GET", f"{path}?usage=true"))["quota_set"]
    assert (usage["volumes"]["in_use"], usage["gigabytes"]["in_use"], usage["snapshots"]["in_use"]) == (2, 5, 1)
    absolute = (await demo("GET", "/limits"))["limits"]["absolute"]
    assert (absolute["maxTotalVolumes"], absolute["totalVolumesUsed"], absolute["totalGigabytesUsed"]) == (2, 2, 5)
    await admin("DELETE", path)
    assert (await demo("GET", f"{path}"))["quota_set"] == (await demo("GET", f"{path}/defaults"))["quota_set"]


async def test_types(demo: User, admin: User, other: User) -> None:
    assert [kind["name"] for kind in (await demo("GET", "/types"))["volume_types"]] == ["__DEFAULT__"]
    await demo("POST", "/types", {"volume_type": {"name": "fast"}}, status=403)
    body = {"volume_type": {"name": "fast", "extra_specs": {"a": "b"}, "os-volume-type-access:is_public": False}}
    kind = (await admin("POST", "/types", body))["volume_type"]
    path = f"/types/{kind['id']}"
    await admin("POST", "/types", body, status=409)
    await demo("GET", path, status=404)
    await demo.volume(status=404, volume_type="fast")
    await admin("POST", f"{path}/action", {"addProjectAccess": {"project": demo.cloud.projects["demo"]}}, status=202)
    await admin("POST", f"{path}/action", {"addProjectAccess": {"project": demo.cloud.projects["demo"]}}, status=409)
    assert "extra_specs" not in (await demo("GET", path))["volume_type"]
    await other("GET", path, status=404)
    volume = await demo.volume(volume_type="fast")
    assert volume["volume_type"] == "fast"
    await admin("DELETE", path, status=400)
    await admin("POST", f"{path}/extra_specs", {"extra_specs": {"c": "d"}})
    assert (await admin("GET", f"{path}/extra_specs"))["extra_specs"] == {"a": "b", "c": "d"}
    await admin("PUT", f"{path}/extra_specs/c", {"c": "e"})
    assert await admin("GET", f"{path}/extra_specs/c") == {"c": "e"}
    await admin("DELETE", f"{path}/extra_specs/c", status=202)
    await admin("GET", f"{path}/extra_specs/c", status=404)
    assert (await admin("PUT", path, {"volume_type": {"description": "x"}}))["volume_type"]["description"] == "x"
    await demo.act(volume["id"], retype={"new_type": "__DEFAULT__"})
    assert (await demo.show(volume["id"]))["volume_type"] == "__DEFAULT__"
    await admin("DELETE", path, status=202)
    assert (await demo("GET", "/types/default"))["volume_type"]["name"] == "__DEFAULT__"


async def test_services_zones_and_extensions(demo: User, admin: User) -> None:
    services = (await admin("GET", "/os-services?binary=cinder-volume"))["services"]
    assert [(service["host"], service["state"], service["status"]) for service in services] == [("testhost@fake", "up", "enabled")]
    await demo("GET", "/os-services", status=403)
    assert (await demo("GET", "/os-availability-zone"))["availabilityZoneInfo"] == [{"zoneName": "nova", "zoneState": {"available": True}}]
    assert "Hosts" in [extension["name"] for extension in (await demo("GET", "/extensions"))["extensions"]]
    body = {"host": "testhost@fake", "binary": "cinder-volume", "disabled_reason": "work"}
    assert (await admin("PUT", "/os-services/disable-log-reason", body))["disabled"] is True
    assert (await demo("GET", "/os-availability-zone"))["availabilityZoneInfo"][0]["zoneState"] == {"available": False}
    assert (await admin("PUT", "/os-services/enable", body))["status"] == "enabled"
    assert (await admin("GET", "/scheduler-stats/get_pools"))["pools"] == [{"name": "testhost@fake#fake"}]


@pytest.mark.both_databases
async def test_compute_attaches_and_detaches_by_the_door(demo: User, admin: User, driver: FakeDriver) -> None:
    client = demo.cloud.cloud.client(VolumeClient)
    ctx, rival = system_context(project_id=demo.cloud.projects["demo"]), system_context()
    volume_id, server, attachment = str(uuid4()), str(uuid4()), str(uuid4())
    for _ in range(2):
        await client.create(ctx, VolumeSpec(size_gib=1), volume_id)
    await demo.cloud.settle()
    for _ in range(2):
        await client.reserve(ctx, volume_id)
    with pytest.raises(InvalidVolume):
        await client.reserve(rival, volume_id)
    connections = [await client.attach(volume_id, server, "testhost", "/dev/vdb", attachment) for _ in range(2)]
    assert connections[0] == connections[1]
    assert connections[0].serial == volume_id
    shown = await demo.show(volume_id)
    assert (shown["status"], shown["attachments"][0]["server_id"], shown["attachments"][0]["device"]) == ("in-use", server, "/dev/vdb")
    with pytest.raises(InvalidVolume):
        await client.attach(volume_id, server, "testhost", "/dev/vdc", str(uuid4()))
    await demo("DELETE", f"/volumes/{volume_id}", status=400)
    await demo.act(volume_id, extend={"new_size": 2}, status=400)
    await demo.act(volume_id, extend={"new_size": 2}, version="3.42")
    assert ((await demo.show(volume_id))["status"], (await demo.show(volume_id))["size"]) == ("in-use", 2)
    listed = (await demo("GET", "/attachments/detail", version="3.27"))["attachments"]
    assert [(one["id"], one["instance"], one["connection_info"]) for one in listed] == [(attachment, server, {})]
    assert (await admin("GET", f"/attachments/{attachment}", version="3.27"))["attachment"]["connection_info"]["serial"] == volume_id
    await demo.snapshot(volume_id, status=400)
    assert (await demo.snapshot(volume_id, force=True))["status"] == "available"
    for _ in range(2):
        await client.detach(volume_id, attachment)
    assert (await demo.show(volume_id))["status"] == "available"
    assert driver.attachments == set()
    await client.reserve(ctx, volume_id)
    for _ in range(2):
        await client.unreserve(ctx, volume_id)
    assert (await demo.show(volume_id))["status"] == "available"


async def test_a_user_notes_who_uses_a_volume_but_does_not_pull_it_from_a_server(demo: User, admin: User, driver: FakeDriver) -> None:
    volume_id, server = (await demo.volume())["id"], str(uuid4())
    other = User(demo.cloud, "other")
    attach = {"os-attach": {"instance_uuid": server, "mountpoint": "/dev/vdb"}}
    await other("POST", f"/volumes/{volume_id}/action", attach, status=404)
    await demo("POST", f"/volumes/{volume_id}/action", attach, status=202)
    shown = await demo.show(volume_id)
    assert (shown["status"], shown["attachments"][0]["server_id"]) == ("in-use", server)
    await other("POST", f"/volumes/{volume_id}/action", {"os-detach": {}}, status=404)
    await demo("POST", f"/volumes/{volume_id}/action", {"os-detach": {}}, status=202)
    assert (await demo.show(volume_id))["status"] == "available"
    client = demo.cloud.cloud.client(VolumeClient)
    await client.attach(volume_id, server, "testhost", "/dev/vdb", str(uuid4()))
    await demo("POST", f"/volumes/{volume_id}/action", {"os-detach": {}}, status=409)
    await demo("POST", f"/volumes/{volume_id}/action", {"os-force_detach": {}}, status=403)
    await admin("POST", f"/volumes/{volume_id}/action", {"os-force_detach": {}}, status=202)
    assert (driver.attachments, (await demo.show(volume_id))["status"]) == (set(), "available")


async def test_healing_finds_lost_volumes_and_snapshots(demo: User, driver: FakeDriver) -> None:
    lost, kept = (await demo.volume())["id"], (await demo.volume())["id"]
    snapshot = (await demo.snapshot(kept))["id"]
    driver.disks.pop(lost)
    driver.kept.pop(snapshot)
    cloud = demo.cloud.cloud
    await Healing(cloud, cloud.client(VolumeClient).hosts, Progress(cloud)).heal()
    assert [(await demo.show(volume_id))["status"] for volume_id in (lost, kept)] == ["error", "available"]
    assert (await demo("GET", f"/snapshots/{snapshot}"))["snapshot"]["status"] == "error"
