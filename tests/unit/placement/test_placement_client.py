"""Placement's in-process door, under competition."""

import asyncio
from uuid import uuid4

import pytest

from cloudd.placement.client import Inventory, PlacementClient
from cloudd.placement.errors import CapacityExceeded
from tests.conftest import EmbeddedCloud

pytestmark = pytest.mark.services("identity", "placement")


@pytest.fixture
async def placement(cloud: EmbeddedCloud) -> PlacementClient:
    client = cloud.cloud.client(PlacementClient)
    await client.ensure_provider("host1", "host1")
    await client.set_inventory("host1", {"VCPU": Inventory(total=10, allocation_ratio=1.0), "MEMORY_MB": Inventory(total=1000)})
    return client


@pytest.mark.both_databases
async def test_thirty_claims_at_once_for_ten_places(placement: PlacementClient) -> None:
    async def claim() -> bool:
        try:
            await placement.claim(str(uuid4()), "host1", {"VCPU": 1, "MEMORY_MB": 10}, "p", "u")
        except CapacityExceeded:
            return False
        return True

    won = await asyncio.gather(*(claim() for _ in range(30)))
    assert sum(won) == 10
    assert await placement.candidates({"VCPU": 1}) == []


@pytest.mark.both_databases
async def test_a_claim_may_run_twice_and_a_release_too(placement: PlacementClient) -> None:
    server = str(uuid4())
    for _ in range(2):
        await placement.claim(server, "host1", {"VCPU": 6}, "p", "u")
    assert await placement.allocations_of(server) == {"host1": {"VCPU": 6}}
    (candidate,) = await placement.candidates({"VCPU": 4})
    assert (candidate.provider_id, candidate.free) == ("host1", {"VCPU": 4, "MEMORY_MB": 1000})
    for _ in range(2):
        await placement.release(server)
    assert await placement.allocations_of(server) == {}


async def test_required_traits_choose_the_host(placement: PlacementClient) -> None:
    await placement.set_traits("host1", {"CUSTOM_A"})
    assert len(await placement.candidates({"VCPU": 1}, frozenset({"CUSTOM_A"}))) == 1
    await placement.set_traits("host1", {"HW_CPU_X86_VMX"})
    assert await placement.candidates({"VCPU": 1}, frozenset({"CUSTOM_A"})) == []


async def test_an_unchanged_inventory_keeps_the_generation(placement: PlacementClient) -> None:
    before = await placement.providers.show("host1")
    await placement.set_inventory("host1", {"VCPU": Inventory(total=10, allocation_ratio=1.0), "MEMORY_MB": Inventory(total=1000)})
    assert (await placement.providers.show("host1")).generation == before.generation
