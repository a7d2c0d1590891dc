"""Placement through its API, as osc-placement and nova speak to it."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import EmbeddedCloud

pytestmark = pytest.mark.services("identity", "placement")
LATEST = "1.39"


class Admin:
    def __init__(self, cloud: EmbeddedCloud, version: str = LATEST) -> None:
        self.cloud, self.version = cloud, version

    async def __call__(self, method: str, path: str, json: Any = None, status: int = 200, version: str | None = None) -> Any:
        headers = {"OpenStack-API-Version": f"placement {version or self.version}"}
        options = {} if json is None else {"json": json}
        answer: httpx.Response = await self.cloud.request(method, f"/placement{path}", as_="admin", headers=headers, **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def host(self, name: str, parent: str | None = None, **inventories: Any) -> str:
        body = {"name": name} | ({"parent_provider_uuid": parent} if parent else {})
        made = await self("POST", "/resource_providers", body)
        specs = {key: value if isinstance(value, dict) else {"total": value} for key, value in inventories.items()}
        await self("PUT", f"/resource_providers/{made['uuid']}/inventories", {"resource_provider_generation": 0, "inventories": specs})
        return str(made["uuid"])

    async def take(
        self, provider_id: str, status: int = 204, consumer: str | None = None, generation: int | None = None, **resources: int
    ) -> str:
        consumer = consumer or str(uuid4())
        body = {
            "allocations": {provider_id: {"resources": resources}}, "project_id": "p", "user_id": "u",
            "consumer_generation": generation, "consumer_type": "INSTANCE",
        }  # fmt: skip
        await self("PUT", f"/allocations/{consumer}", body, status=status)
        return consumer


@pytest.fixture
def admin(cloud: EmbeddedCloud) -> Admin:
    return Admin(cloud)


async def test_the_version_document_needs_no_token(cloud: EmbeddedCloud) -> None:
    answer = await cloud.request("GET", "/placement/", as_=None)
    assert answer.json()["versions"][0]["max_version"] == LATEST


async def test_a_user_without_the_admin_role_is_refused_in_placements_error_shape(cloud: EmbeddedCloud) -> None:
    answer = await cloud.request("GET", "/placement/resource_providers")
    assert answer.status_code == 403
    (error,) = answer.json()["errors"]
    assert error["status"] == 403
    assert set(error) == {"status", "title", "detail", "code", "request_id"}


async def test_a_provider_lives_and_dies(admin: Admin) -> None:
    made = await admin("POST", "/resource_providers", {"name": "host1"})
    path = f"/resource_providers/{made['uuid']}"
    assert made["root_provider_uuid"] == made["uuid"]
    assert {link["rel"] for link in made["links"]} == {"self", "inventories", "usages", "aggregates", "traits", "allocations"}
    await admin("POST", "/resource_providers", {"name": "host1"}, status=409)
    assert (await admin("PUT", path, {"name": "renamed"}))["name"] == "renamed"
    assert [found["name"] for found in (await admin("GET", "/resource_providers?name=renamed"))["resource_providers"]] == ["renamed"]
    await admin("DELETE", path, status=204)
    error = await admin("GET", path, status=404)
    assert error["errors"][0]["code"] == "placement.resource_provider.not_found"


async def test_old_microversions_show_what_they_knew(admin: Admin) -> None:
    host = await admin.host("host1", VCPU=4)
    old = await admin("GET", f"/resource_providers/{host}", version="1.0")
    assert set(old) == {"uuid", "name", "generation", "links"}
    assert [link["rel"] for link in old["links"]] == ["self", "inventories", "usages"]
    await admin("GET", "/traits", status=404, version="1.5")
    await admin("GET", "/allocation_candidates?resources=VCPU:1", status=404, version="1.9")
    assert isinstance(
        (await admin("GET", "/allocation_candidates?resources=VCPU:1", version="1.10"))["allocation_requests"][0]["allocations"], list
    )


@pytest.mark.both_databases
async def test_inventory_follows_the_generation(admin: Admin) -> None:
    host = await admin.host("host1", VCPU={"total": 4, "allocation_ratio": 2.0})
    path = f"/resource_providers/{host}/inventories"
    shown = await admin("GET", path)
    assert shown["inventories"]["VCPU"] == {
        "total": 4, "reserved": 0, "min_unit": 1, "max_unit": 2147483647, "step_size": 1, "allocation_ratio": 2.0
    }  # fmt: skip
    stale = {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 8}}}
    error = await admin("PUT", path, stale, status=409)
    assert error["errors"][0]["code"] == "placement.concurrent_update"
    generation = shown["resource_provider_generation"]
    added = await admin("POST", path, {"resource_class": "MEMORY_MB", "total": 512, "resource_provider_generation": generation}, status=201)
    assert added["total"] == 512
    await admin("POST", path, {"resource_class": "NONSENSE", "total": 1}, status=400)
    await admin("POST", path, {"resource_class": "DISK_GB", "total": 1, "reserved": 2}, status=400)
    await admin("POST", path, {"resource_class": "DISK_GB", "total": 0}, status=400)
    await admin("DELETE", f"{path}/MEMORY_MB", status=204)
    await admin("GET", f"{path}/MEMORY_MB", status=404)
    await admin("DELETE", path, status=204)
    assert (await admin("GET", path))["inventories"] == {}


async def test_claims_are_bounded_by_capacity_ratio_units_and_steps(admin: Admin) -> None:
    memory = {"total": 1000, "reserved": 200, "min_unit": 100, "max_unit": 500, "step_size": 50}
    host = await admin.host("host1", VCPU={"total": 2, "allocation_ratio": 2.0}, MEMORY_MB=memory)
    await admin.take(host, VCPU=4, MEMORY_MB=500)
    await admin.take(host, VCPU=1, status=409)
    for amount in (50, 550, 125, 350):
        await admin.take(host, MEMORY_MB=amount, status=409)
    await admin.take(host, MEMORY_MB=300)
    usages = (await admin("GET", f"/resource_providers/{host}/usages"))["usages"]
    assert usages == {"VCPU": 4, "MEMORY_MB": 800}
    error = await admin("DELETE", f"/resource_providers/{host}", status=409)
    assert error["errors"][0]["code"] == "placement.resource_provider.inuse"
    error = await admin("DELETE", f"/resource_providers/{host}/inventories/VCPU", status=409)
    assert error["errors"][0]["code"] == "placement.inventory.inuse"


async def test_a_consumer_changes_and_gives_back_what_it_holds(admin: Admin) -> None:
    host = await admin.host("host1", VCPU=4)
    consumer = await admin.take(host, VCPU=4)
    await admin.take(host, VCPU=2, consumer=consumer, status=409)
    await admin.take(host, VCPU=2, consumer=consumer, generation=1)
    shown = await admin("GET", f"/allocations/{consumer}")
    assert shown["allocations"][host]["resources"] == {"VCPU": 2}
    assert (shown["consumer_generation"], shown["consumer_type"], shown["project_id"]) == (2, "INSTANCE", "p")
    held = await admin("GET", f"/resource_providers/{host}/allocations")
    assert held["allocations"] == {consumer: {"resources": {"VCPU": 2}, "consumer_generation": 2}}
    assert (await admin("GET", "/usages?project_id=p"))["usages"] == {"INSTANCE": {"VCPU": 2, "consumer_count": 1}}
    await admin("DELETE", f"/allocations/{consumer}", status=204)
    await admin("DELETE", f"/allocations/{consumer}", status=404)
    assert await admin("GET", f"/allocations/{consumer}") == {"allocations": {}}


@pytest.mark.both_databases
async def test_many_claims_are_all_or_none(admin: Admin) -> None:
    host = await admin.host("host1", VCPU=4)
    one, two = str(uuid4()), str(uuid4())
    common = {"project_id": "p", "user_id": "u", "consumer_generation": None, "consumer_type": "INSTANCE"}

    def body(amount: int) -> dict[str, Any]:
        return {key: {"allocations": {host: {"resources": {"VCPU": amount}}}, **common} for key in (one, two)}

    await admin("POST", "/allocations", body(3), status=409)
    assert (await admin("GET", f"/resource_providers/{host}/usages"))["usages"] == {"VCPU": 0}
    await admin("POST", "/allocations", body(2), status=204)
    assert (await admin("GET", f"/resource_providers/{host}/usages"))["usages"] == {"VCPU": 4}


async def test_traits_classes_and_aggregates(admin: Admin) -> None:
    host = await admin.host("host1", VCPU=4)
    await admin("PUT", "/traits/CUSTOM_FAST", status=201)
    await admin("PUT", "/traits/CUSTOM_FAST", status=204)
    await admin("PUT", "/traits/fast", status=400)
    await admin("GET", "/traits/CUSTOM_FAST", status=204)
    path = f"/resource_providers/{host}/traits"
    generation = (await admin("GET", path))["resource_provider_generation"]
    body = {"resource_provider_generation": generation, "traits": ["CUSTOM_FAST", "HW_CPU_X86_VMX"]}
    assert (await admin("PUT", path, body))["traits"] == ["CUSTOM_FAST", "HW_CPU_X86_VMX"]
    await admin("PUT", path, {"resource_provider_generation": generation + 1, "traits": ["CUSTOM_NONE"]}, status=400)
    await admin("DELETE", "/traits/CUSTOM_FAST", status=409)
    assert (await admin("GET", "/traits?name=startswith:CUSTOM_"))["traits"] == ["CUSTOM_FAST"]
    await admin("PUT", "/resource_classes/CUSTOM_GPU", status=201)
    await admin("PUT", "/resource_classes/CUSTOM_GPU", status=204)
    assert (await admin("GET", "/resource_classes/CUSTOM_GPU"))["name"] == "CUSTOM_GPU"
    await admin("DELETE", "/resource_classes/VCPU", status=400)
    await admin("DELETE", "/resource_classes/CUSTOM_GPU", status=204)
    aggregate = str(uuid4())
    body = {"resource_provider_generation": generation + 1, "aggregates": [aggregate]}
    assert (await admin("PUT", f"/resource_providers/{host}/aggregates", body))["aggregates"] == [aggregate]
    for query, count in (
        (f"member_of={aggregate}", 1), (f"member_of=!{aggregate}", 0), ("required=CUSTOM_FAST", 1), ("required=!CUSTOM_FAST", 0),
        ("required=in:CUSTOM_FAST,HW_CPU_X86_AVX", 1), ("resources=VCPU:4", 1), ("resources=VCPU:5", 0),
    ):  # fmt: skip
        assert len((await admin("GET", f"/resource_providers?{query}"))["resource_providers"]) == count, query


async def test_candidates_of_plain_hosts(admin: Admin) -> None:
    small, large = await admin.host("small", VCPU=2), await admin.host("large", VCPU=8)
    found = await admin("GET", "/allocation_candidates?resources=VCPU:4")
    assert found["allocation_requests"] == [{"allocations": {large: {"resources": {"VCPU": 4}}}, "mappings": {"": [large]}}]
    assert found["provider_summaries"][large]["resources"] == {"VCPU": {"capacity": 8, "used": 0}}
    both = await admin("GET", "/allocation_candidates?resources=VCPU:1")
    assert {key for one in both["allocation_requests"] for key in one["allocations"]} == {small, large}
    assert len((await admin("GET", "/allocation_candidates?resources=VCPU:1&limit=1"))["allocation_requests"]) == 1
    for query in ("", "?resources=VCPU", "?resources=VCPU:0", "?resources=VCPU:1&limit=0", "?resources=VCPU:1&nonsense=1", "?required=X"):
        await admin("GET", f"/allocation_candidates{query}", status=400)


@pytest.mark.both_databases
async def test_candidates_in_trees_and_granular_groups(admin: Admin) -> None:
    root = await admin.host("root", MEMORY_MB=1024)
    left, right = await admin.host("left", parent=root, VCPU=2), await admin.host("right", parent=root, VCPU=2)
    found = (await admin("GET", "/allocation_candidates?resources=VCPU:2,MEMORY_MB:512"))["allocation_requests"]
    assert [set(one["allocations"]) for one in found] == [{left, root}, {right, root}] or [set(one["allocations"]) for one in found] == [
        {right, root},
        {left, root},
    ]
    query = "/allocation_candidates?resources_A=VCPU:1&resources_B=VCPU:1&group_policy="
    assert len((await admin("GET", f"{query}none"))["allocation_requests"]) == 4
    isolated = (await admin("GET", f"{query}isolate"))["allocation_requests"]
    assert all(one["mappings"]["_A"] != one["mappings"]["_B"] for one in isolated)
    assert len(isolated) == 2
    assert (await admin("GET", f"{query}none&same_subtree=_A,_B"))["allocation_requests"] != []
    # Only the same provider twice is one subtree without their parent.
    assert len((await admin("GET", f"{query}none&same_subtree=_A,_B"))["allocation_requests"]) == 2
    assert (await admin("GET", "/allocation_candidates?resources=VCPU:1", version="1.28"))["allocation_requests"] == []
    await admin("DELETE", f"/resource_providers/{root}", status=409)


async def test_a_sharing_provider_serves_its_aggregate(admin: Admin) -> None:
    host, storage = await admin.host("host", VCPU=4), await admin.host("storage", DISK_GB=100)
    aggregate = str(uuid4())
    for provider in (host, storage):
        generation = (await admin("GET", f"/resource_providers/{provider}"))["generation"]
        body = {"resource_provider_generation": generation, "aggregates": [aggregate]}
        await admin("PUT", f"/resource_providers/{provider}/aggregates", body)
    assert (await admin("GET", "/allocation_candidates?resources=VCPU:1,DISK_GB:10"))["allocation_requests"] == []
    generation = (await admin("GET", f"/resource_providers/{storage}"))["generation"]
    body = {"resource_provider_generation": generation, "traits": ["MISC_SHARES_VIA_AGGREGATE"]}
    await admin("PUT", f"/resource_providers/{storage}/traits", body)
    (one,) = (await admin("GET", "/allocation_candidates?resources=VCPU:1,DISK_GB:10"))["allocation_requests"]
    assert one["allocations"] == {host: {"resources": {"VCPU": 1}}, storage: {"resources": {"DISK_GB": 10}}}


async def test_reparenting_moves_the_whole_subtree(admin: Admin) -> None:
    root, other = await admin.host("root", VCPU=1), await admin.host("other", VCPU=1)
    child = await admin.host("child", parent=root, VCPU=1)
    grandchild = await admin.host("grandchild", parent=child, VCPU=1)
    await admin("PUT", f"/resource_providers/{child}", {"name": "child", "parent_provider_uuid": grandchild}, status=400)
    await admin("PUT", f"/resource_providers/{child}", {"name": "child", "parent_provider_uuid": other}, status=400, version="1.36")
    await admin("PUT", f"/resource_providers/{child}", {"name": "child", "parent_provider_uuid": other})
    assert (await admin("GET", f"/resource_providers/{grandchild}"))["root_provider_uuid"] == other
    assert len((await admin("GET", f"/resource_providers?in_tree={other}"))["resource_providers"]) == 3


@pytest.mark.both_databases
async def test_reshape_moves_inventory_under_a_child_with_its_allocations(admin: Admin) -> None:
    root = await admin.host("root", VCPU=4)
    child = await admin.host("child", parent=root)
    consumer = await admin.take(root, VCPU=3)
    generations = {key: (await admin("GET", f"/resource_providers/{key}"))["generation"] for key in (root, child)}
    body = {
        "inventories": {
            root: {"resource_provider_generation": generations[root], "inventories": {}},
            child: {"resource_provider_generation": generations[child], "inventories": {"VCPU": {"total": 4}}},
        },
        "allocations": {
            consumer: {
                "allocations": {child: {"resources": {"VCPU": 3}}}, "project_id": "p", "user_id": "u", "consumer_generation": 1,
                "consumer_type": "INSTANCE",
            }
        },
    }  # fmt: skip
    await admin("POST", "/reshaper", body, status=204)
    assert (await admin("GET", f"/resource_providers/{root}/usages"))["usages"] == {}
    assert (await admin("GET", f"/resource_providers/{child}/usages"))["usages"] == {"VCPU": 3}
