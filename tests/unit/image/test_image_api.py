"""The image API as glance's clients use it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from cloudd.image.client import ImageClient
from cloudd.image.domain.healing import Healing
from tests.conftest import EmbeddedCloud

pytestmark = pytest.mark.services("identity", "image")
RAW = {"disk_format": "raw", "container_format": "bare"}
OCTETS = {"Content-Type": "application/octet-stream"}
CONTENT = b"\x13 the content of a disk" * 1000


class User:
    def __init__(self, cloud: EmbeddedCloud, name: str) -> None:
        self.cloud, self.name = cloud, name

    async def __call__(self, method: str, path: str, json: Any = None, status: int = 200, **options: Any) -> httpx.Response:
        if json is not None:
            options["json"] = json
        answer = await self.cloud.request(method, f"/image{path}", as_=self.name, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    async def image(self, status: int = 201, **body: Any) -> dict[str, Any]:
        return (await self("POST", "/v2/images", {**RAW, **body}, status=status)).json()  # type: ignore[no-any-return]

    async def upload(self, image_id: str, content: Any = CONTENT, status: int = 204, verb: str = "file") -> httpx.Response:
        return await self("PUT", f"/v2/images/{image_id}/{verb}", content=content, headers=OCTETS, status=status)

    async def active(self, **body: Any) -> str:
        image_id = (await self.image(**body))["id"]
        await self.upload(image_id)
        return str(image_id)

    async def names(self, query: str = "") -> list[str]:
        return [image["name"] for image in (await self("GET", f"/v2/images{query}")).json()["images"]]

    async def patch(self, image_id: str, operations: Any, status: int = 200, minor: int = 1) -> dict[str, Any]:
        headers = {"Content-Type": f"application/openstack-images-v2.{minor}-json-patch"}
        return (await self("PATCH", f"/v2/images/{image_id}", operations, headers=headers, status=status)).json()  # type: ignore[no-any-return]


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
def files(cloud: EmbeddedCloud) -> Path:
    return cloud.cloud.client(ImageClient).files.directory


def contents(files: Path) -> list[str]:
    return sorted(str(path.relative_to(files)) for path in files.rglob("*") if path.is_file())


async def test_versions(demo: User) -> None:
    assert (await demo("GET", "/", status=300)).json()["versions"][0]["status"] == "CURRENT"
    assert (await demo("GET", "/versions")).json()["versions"][0]["links"][0]["href"] == "http://cloud/image/v2/"


@pytest.mark.both_databases
async def test_an_image_from_birth_to_death(demo: User, files: Path) -> None:
    made = await demo.image(name="first", min_disk=1, os_distro="debian", tags=["a"])
    assert (made["status"], made["visibility"], made["os_distro"], made["size"]) == ("queued", "shared", "debian", None)
    await demo("GET", f"/v2/images/{made['id']}/file", status=204)
    await demo.upload(made["id"])
    shown = (await demo("GET", f"/v2/images/{made['id']}")).json()
    assert shown["status"] == "active"
    assert shown["size"] == shown["virtual_size"] == len(CONTENT)
    assert shown["checksum"] == hashlib.md5(CONTENT).hexdigest()
    assert (shown["os_hash_algo"], shown["os_hash_value"]) == ("sha512", hashlib.sha512(CONTENT).hexdigest())
    answer = await demo("GET", f"/v2/images/{made['id']}/file")
    assert answer.content == CONTENT
    assert answer.headers["content-md5"] == shown["checksum"]
    part = await demo("GET", f"/v2/images/{made['id']}/file", headers={"Range": "bytes=2-11"}, status=206)
    assert part.content == CONTENT[2:12]
    assert part.headers["content-range"] == f"bytes 2-11/{len(CONTENT)}"
    await demo("GET", f"/v2/images/{made['id']}/file", headers={"Range": "bytes=999999-"}, status=416)
    await demo.upload(made["id"], status=409)
    await demo("DELETE", f"/v2/images/{made['id']}", status=204)
    await demo("GET", f"/v2/images/{made['id']}", status=404)
    await demo("DELETE", f"/v2/images/{made['id']}", status=404)
    assert contents(files) == []


async def test_an_empty_id_is_no_image(demo: User) -> None:
    await demo("GET", "/v2/images/", status=404)
    await demo("DELETE", "/v2/images/", status=404)


async def test_a_chunked_body(demo: User) -> None:
    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(CONTENT), 777):
            yield CONTENT[start : start + 777]

    image_id = (await demo.image())["id"]
    await demo.upload(image_id, body())
    assert (await demo("GET", f"/v2/images/{image_id}/file")).content == CONTENT


async def test_a_broken_upload_leaves_the_image_queued_and_no_file(demo: User, files: Path) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield CONTENT
        raise ConnectionResetError("gone")

    image_id = (await demo.image())["id"]
    await demo.upload(image_id, body(), status=400)
    short = {**OCTETS, "Content-Length": str(len(CONTENT) + 1)}
    await demo("PUT", f"/v2/images/{image_id}/file", content=CONTENT, headers=short, status=400)
    assert (await demo("GET", f"/v2/images/{image_id}")).json()["status"] == "queued"
    assert contents(files) == []
    await demo.upload(image_id)


async def test_content_that_is_not_what_it_claims(demo: User, files: Path) -> None:
    image_id = (await demo.image(disk_format="qcow2"))["id"]
    error = await demo.upload(image_id, status=400)
    assert "does not match disk_format qcow2" in error.json()["message"]
    assert (await demo("GET", f"/v2/images/{image_id}")).json()["status"] == "queued"
    assert contents(files) == []
    await demo("PUT", f"/v2/images/{image_id}/file", json={}, status=415)
    formless = (await demo("POST", "/v2/images", {"name": "formless"}, status=201)).json()["id"]
    await demo.upload(formless, status=400)


async def test_bad_bodies(demo: User) -> None:
    bodies: list[tuple[dict[str, Any], int]] = [
        ({"disk_format": "bogus"}, 400), ({"container_format": "bogus"}, 400), ({"min_disk": -1}, 400), ({"min_ram": "x"}, 400),
        ({"name": "x" * 256}, 400), ({"id": "not-a-uuid"}, 400), ({"visibility": "secret"}, 400), ({"prop": 1}, 400),
        ({"size": 5}, 403), ({"status": "active"}, 403), ({"checksum": "x"}, 403), ({"locations": []}, 403), ({"os_glance_x": "1"}, 403),
        ({"visibility": "public"}, 403), ({"owner": "somebody"}, 403), ({"tags": "a"}, 400), ({"protected": "yes"}, 400),
        ({"disk_format": "aki", "container_format": "ari"}, 400),
    ]  # fmt: skip
    for body, status in bodies:
        answer = await demo.cloud.request("POST", "/image/v2/images", json={**RAW, **body})
        assert answer.status_code == status, body


async def test_patches_in_both_notations(demo: User) -> None:
    made = await demo.image(name="first", colour="red", kind="a")
    patch = [
        {"op": "replace", "path": "/name", "value": "second"}, {"op": "add", "path": "/shape", "value": "round"},
        {"op": "remove", "path": "/colour"}, {"op": "replace", "path": "/tags", "value": ["x", "y"]},
        {"op": "replace", "path": "/disk_format", "value": "iso"},
    ]  # fmt: skip
    shown = await demo.patch(made["id"], patch)
    assert (shown["name"], shown["shape"], shown["tags"], shown["disk_format"], "colour" in shown) == (
        "second",
        "round",
        ["x", "y"],
        "iso",
        False,
    )
    assert (await demo.patch(made["id"], [{"replace": "/name", "value": "third"}], minor=0))["name"] == "third"
    for bad, status in (
        ([{"op": "replace", "path": "/id", "value": "x"}], 403), ([{"op": "remove", "path": "/name"}], 403),
        ([{"op": "replace", "path": "/nothing", "value": "x"}], 409), ([{"op": "move", "path": "/a", "value": "x"}], 400), ({}, 400),
        ([{"op": "replace", "path": "name", "value": "x"}], 400), ([{"op": "replace", "path": "/min_disk", "value": "x"}], 400),
        ([{"op": "add", "path": "/p"}], 400), ([{"op": "replace", "path": "/visibility", "value": "public"}], 403), ([1], 400),
    ):  # fmt: skip
        await demo.patch(made["id"], bad, status=status)
    await demo("PATCH", f"/v2/images/{made['id']}", patch, status=415)


async def test_formats_are_fixed_once_there_is_content(demo: User) -> None:
    image_id = await demo.active()
    await demo.patch(image_id, [{"op": "replace", "path": "/disk_format", "value": "iso"}], status=403)


async def test_protected_and_deactivated(demo: User, admin: User) -> None:
    image_id = await demo.active(protected=True)
    await demo("DELETE", f"/v2/images/{image_id}", status=403)
    await demo("POST", f"/v2/images/{image_id}/actions/deactivate", status=204)
    assert (await demo("GET", f"/v2/images/{image_id}")).json()["status"] == "deactivated"
    await demo("GET", f"/v2/images/{image_id}/file", status=403)
    await admin("GET", f"/v2/images/{image_id}/file")
    await demo("POST", f"/v2/images/{image_id}/actions/reactivate", status=204)
    await demo("GET", f"/v2/images/{image_id}/file")


@pytest.mark.both_databases
async def test_who_sees_what(demo: User, other: User, admin: User) -> None:
    for visibility in ("private", "shared", "community"):
        await demo.image(name=visibility, visibility=visibility)
    public = (await admin.image(name="public", visibility="public"))["id"]
    assert await demo.names("?sort=name:asc") == ["community", "private", "public", "shared"]
    assert await other.names() == ["public"]
    assert await other.names("?visibility=community") == ["community"]
    assert await other.names("?visibility=all&sort=name:asc") == ["community", "public"]
    hidden = {image["name"]: image["id"] for image in (await demo("GET", "/v2/images")).json()["images"]}
    for name, status in (("private", 404), ("shared", 404), ("community", 200)):
        await other("GET", f"/v2/images/{hidden[name]}", status=status)
        await other("DELETE", f"/v2/images/{hidden[name]}", status=404 if status == 404 else 403)
        await other.patch(hidden[name], [], status=404 if status == 404 else 403)
        await other.upload(hidden[name], status=404 if status == 404 else 403)
    await demo("DELETE", f"/v2/images/{public}", status=403)
    await demo("GET", f"/v2/images/{uuid4()}", status=404)
    assert sorted(await admin.names()) == ["community", "private", "public", "shared"]


async def test_members(demo: User, other: User, cloud: EmbeddedCloud) -> None:
    image_id, project = (await demo.image(name="lent"))["id"], cloud.projects["other"]
    path = f"/v2/images/{image_id}/members"
    assert (await demo("POST", path, {"member": project})).json()["status"] == "pending"
    await demo("POST", path, {"member": project}, status=409)
    await demo("PUT", f"{path}/{project}", {"status": "accepted"}, status=403)
    await other("GET", f"/v2/images/{image_id}")
    assert await other.names() == []
    assert await other.names("?visibility=shared&member_status=pending") == ["lent"]
    await other("PUT", f"{path}/{project}", {"status": "nonsense"}, status=400)
    assert (await other("PUT", f"{path}/{project}", {"status": "accepted"})).json()["status"] == "accepted"
    assert await other.names() == ["lent"]
    assert [member["member_id"] for member in (await other("GET", path)).json()["members"]] == [project]
    await other("POST", path, {"member": "x"}, status=403)
    await other("DELETE", f"{path}/{project}", status=403)
    await demo("DELETE", f"{path}/{project}", status=204)
    await demo("DELETE", f"{path}/{project}", status=404)
    await other("GET", f"/v2/images/{image_id}", status=404)
    private = (await demo.image(visibility="private"))["id"]
    await demo("POST", f"/v2/images/{private}/members", {"member": project}, status=403)


@pytest.mark.both_databases
async def test_lists_filter_sort_and_page(demo: User) -> None:
    await demo.active(name="a", tags=["x"], colour="red")
    await demo.image(name="b", tags=["x", "y"], disk_format="iso", colour="dark red")
    await demo.image(name='c,"d', os_hidden=True)
    for query, names in (
        ("", ["b", "a"]), ("?sort=name:asc", ["a", "b"]), ("?sort_key=name&sort_dir=asc", ["a", "b"]), ("?status=active", ["a"]),
        ("?name=in:a,b&sort=name:asc", ["a", "b"]), ('?os_hidden=true&name=in:"c,\\"d",z', ['c,"d']),
        ("?tag=x&tag=y", ["b"]), ("?colour=red", ["a"]),
        (f"?size={len(CONTENT)}", ["a"]), ("?size_min=5", ["a"]), ("?size_max=5", []), ("?disk_format=iso", ["b"]), ("?owner=none", []),
        ("?created_at=gt:2020-01-01T00:00:00Z&limit=1", ["b"]), ("?created_at=lt:2020-01-01T00:00:00Z", []), ("?protected=true", []),
        ("?visibility=shared&limit=1", ["b"]), ("?visibility=public", []), ("?tag=%", []),
    ):  # fmt: skip
        assert await demo.names(query) == names, query
    first = (await demo("GET", "/v2/images?limit=1")).json()
    second = (await demo("GET", first["next"])).json()
    assert [first["images"][0]["name"], second["images"][0]["name"]] == ["b", "a"]
    for query in ("limit=x", "limit=-1", "sort_key=nothing", "sort_dir=up&sort_key=name", "marker=nothing", "visibility=x", "size_min=x",
                  "created_at=gt:yesterday", "os_hidden=perhaps", 'name=in:"a'):  # fmt: skip
        await demo("GET", f"/v2/images?{query}", status=400)


@pytest.mark.both_databases
async def test_tags(demo: User) -> None:
    image_id = (await demo.image())["id"]
    await demo("PUT", f"/v2/images/{image_id}/tags/new", status=204)
    assert (await demo("GET", f"/v2/images/{image_id}")).json()["tags"] == ["new"]
    await demo("DELETE", f"/v2/images/{image_id}/tags/new", status=204)
    await demo("DELETE", f"/v2/images/{image_id}/tags/new", status=404)
    await demo("PUT", f"/v2/images/{uuid4()}/tags/new", status=404)


async def test_schemas_and_info(demo: User) -> None:
    for name in ("image", "images", "member", "members"):
        assert (await demo("GET", f"/v2/schemas/{name}")).json()["name"] == name
    await demo("GET", "/v2/schemas/nothing", status=404)
    assert "glance-direct" in (await demo("GET", "/v2/info/import")).json()["import-methods"]["value"]
    assert (await demo("GET", "/v2/info/stores")).json()["stores"][0]["id"] == "file"


async def test_glance_direct(demo: User, cloud: EmbeddedCloud, files: Path) -> None:
    image_id = (await demo.image())["id"]
    body = {"method": {"name": "glance-direct"}, "all_stores": True}
    await demo("POST", f"/v2/images/{image_id}/import", body, status=409)
    await demo.upload(image_id, verb="stage")
    assert (await demo("GET", f"/v2/images/{image_id}")).json()["status"] == "uploading"
    await demo("POST", f"/v2/images/{image_id}/import", {"method": {"name": "bogus"}}, status=400)
    await demo("POST", f"/v2/images/{image_id}/import", body, status=202)
    await cloud.settle()
    assert (await demo("GET", f"/v2/images/{image_id}")).json()["status"] == "active"
    assert (await demo("GET", f"/v2/images/{image_id}/file")).content == CONTENT
    assert contents(files) == [image_id]


async def test_a_failed_import_says_why_and_leaves_nothing(demo: User, cloud: EmbeddedCloud, files: Path) -> None:
    image_id = (await demo.image(disk_format="qcow2"))["id"]
    await demo.upload(image_id, verb="stage")
    await demo("POST", f"/v2/images/{image_id}/import", {"method": {"name": "glance-direct"}}, status=202)
    await cloud.settle()
    shown = (await demo("GET", f"/v2/images/{image_id}")).json()
    assert shown["status"] == "queued"
    assert "qcow2" in shown["os_glance_import_failure"]
    assert contents(files) == []


async def test_web_download_stays_out_of_the_clouds_own_networks(demo: User, cloud: EmbeddedCloud) -> None:
    for uri in ("http://127.0.0.1:1/x", "http://localhost/x", "http://169.254.169.254/", "file:///etc/passwd", "http://[::1]/"):
        image_id = (await demo.image())["id"]
        await demo("POST", f"/v2/images/{image_id}/import", {"method": {"name": "web-download", "uri": uri}}, status=202)
        await cloud.settle()
        shown = (await demo("GET", f"/v2/images/{image_id}")).json()
        assert shown["status"] == "queued"
        assert "is not allowed" in shown["os_glance_import_failure"]


async def test_healing_removes_orphans_requeues_dead_uploads_and_kills_lost_images(demo: User, cloud: EmbeddedCloud, files: Path) -> None:
    client = cloud.cloud.client(ImageClient)
    lost, dead = await demo.active(), (await demo.image())["id"]
    kept = await demo.active()
    (files / lost).unlink()
    (files / str(uuid4())).write_bytes(b"orphan")
    (files / "staging" / f"{uuid4()}.part").write_bytes(b"orphan")
    async with cloud.cloud.db.write() as tx:
        long_ago = (await client.images.store.find(tx))[0].created_at.replace(year=2020)
        await client.images.store.update(tx, dead, status="saving", updated_at=long_ago)
    await Healing(cloud.cloud, client.locations).heal()
    statuses = {image["id"]: image["status"] for image in (await demo("GET", "/v2/images")).json()["images"]}
    assert statuses == {lost: "killed", dead: "queued", kept: "active"}
    assert contents(files) == [kept]


async def test_the_door_takes_files_in_twice(cloud: EmbeddedCloud, demo: User) -> None:
    from cloudd.kit.auth import system_context

    client = cloud.cloud.client(ImageClient)
    ctx, image_id = system_context(project_id=cloud.projects["demo"]), str(uuid4())
    for _ in range(2):
        await client.create_queued(ctx, "snapshot", "raw", {"image_type": "snapshot"}, image_id=image_id)
        Path(client.target_of(image_id, "testhost").path).write_bytes(CONTENT)
        await client.fill(image_id)
    shown = (await demo("GET", f"/v2/images/{image_id}")).json()
    assert (shown["status"], shown["image_type"], shown["visibility"]) == ("active", "snapshot", "private")
    file = await client.file_of(image_id)
    source = await client.source_of(image_id, "testhost")
    assert Path(source.path).read_bytes() == CONTENT
    assert (file.disk_format, file.size_bytes) == ("raw", len(CONTENT))


@pytest.mark.both_databases
async def test_two_uploads_at_once(demo: User) -> None:
    image_id = (await demo.image())["id"]
    path = f"/image/v2/images/{image_id}/file"
    answers = await asyncio.gather(*(demo.cloud.request("PUT", path, as_="demo", content=CONTENT, headers=OCTETS) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [204, 409, 409, 409]
