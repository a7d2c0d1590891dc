"""Many writers on one northbound database: workers of one cloud at once, two clouds side by side, and rows of strangers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import msgspec
import pytest

from cloudd.network.drivers.base import FixedIp, Nat, RouterPort
from cloudd.network.drivers.ovn import OvnDriver
from cloudd.network.drivers.ovn.rows import BelongsToAnother
from tests.contract.network import specs
from tests.contract.network.conftest import needs_ovn
from tests.contract.network.nbctl import Nbctl

pytestmark = needs_ovn
change = msgspec.structs.replace
Drivers = Callable[..., "asyncio.Future[OvnDriver]"]
WORKERS = 4


@pytest.fixture
def nbctl(northbound: str) -> Nbctl:
    return Nbctl(northbound)


@pytest.fixture
async def make(northbound: str) -> AsyncIterator[Callable[..., object]]:
    """Another process's driver, of the cloud that is named; what they made is gone afterwards."""
    async with AsyncExitStack() as ends:

        async def started(cloud_id: str) -> OvnDriver:
            driver = OvnDriver(northbound)
            await driver.start(cloud_id, lambda state: None, lambda: None)
            ends.push_async_callback(driver.stop)
            ends.push_async_callback(clear, driver)
            return driver

        yield started


async def clear(driver: OvnDriver) -> None:
    for kind, objects in (await driver.inventory()).items():
        for object_id in objects:
            await driver.delete(kind, object_id)


async def test_workers_who_make_the_same_make_it_once(make: Drivers, nbctl: Nbctl) -> None:
    workers = [await make("a") for _ in range(WORKERS)]
    networks = [specs.network() for _ in range(6)]
    groups = [specs.group() for _ in range(3)]
    routers = [specs.router() for _ in range(3)]
    await asyncio.gather(*(worker.sync_network(item) for item in networks for worker in workers))
    await asyncio.gather(*(worker.sync_security_group(item) for item in groups for worker in workers))
    ports = [specs.port(item, security_group_ids=(groups[0].id,)) for item in networks]
    work = [worker.sync_port(item) for item in ports for worker in workers]
    await asyncio.gather(*work, *(worker.sync_router(item) for item in routers for worker in workers))
    assert len(nbctl.rows("Logical_Switch")) == len({row["name"] for row in nbctl.rows("Logical_Switch")}) == 6
    assert len(nbctl.rows("DHCP_Options")) == 6
    assert len(nbctl.rows("Logical_Router")) == 3
    assert len(nbctl.rows("NAT")) == 3
    matches = [row["match"] for row in nbctl.rows("ACL")]
    assert (sum("@sg_" in match for match in matches), sum("@cloudd_drop_a" in match for match in matches)) == (3, 4)
    assert [await worker.sync_router(item) for worker in workers for item in routers] == [False] * 12


async def test_an_older_state_loses_also_at_the_same_moment(make: Drivers) -> None:
    workers = [await make("a") for _ in range(WORKERS)]
    network = specs.network()
    router = specs.router()
    await workers[0].sync_network(network)
    for round_ in range(5):
        base = 2 + WORKERS * round_
        states = [change(network, revision=base + place, mtu=1000 + base + place) for place in range(WORKERS)]
        legs = [change(router, revision=base + place, nats=nats(base + place)) for place in range(WORKERS)]
        await asyncio.gather(
            *(worker.sync_network(state) for worker, state in zip(workers, states, strict=True)),
            *(worker.sync_router(state) for worker, state in zip(workers, legs, strict=True)),
        )
        newest = base + WORKERS - 1
        held = await workers[0].inventory()
        assert (held["network"][network.id], held["router"][router.id]) == (newest, newest)
        assert await workers[1].sync_network(states[-1]) is False
        assert await workers[2].sync_router(legs[-1]) is False


def nats(number: int) -> tuple[Nat, ...]:
    return tuple(Nat(id=f"n{number}-{item}", kind="snat", external="192.0.2.5", logical=f"10.{number}.{item}.0/24") for item in range(3))


async def test_members_of_a_group_are_not_lost_between_workers(make: Drivers, nbctl: Nbctl) -> None:
    workers = [await make("a") for _ in range(WORKERS)]
    network, group = specs.network(), specs.group()
    await workers[0].sync_network(network)
    await workers[0].sync_security_group(group)
    ports = [
        specs.port(
            network,
            mac_address=f"fa:16:3e:00:01:{number:02x}",
            fixed_ips=(FixedIp(network.subnets[0].id, f"10.0.0.{20 + number}"),),
            security_group_ids=(group.id,),
        )
        for number in range(24)
    ]
    await asyncio.gather(*(workers[place % WORKERS].sync_port(port) for place, port in enumerate(ports)))
    held = {row["name"]: row["ports"] for row in nbctl.rows("Port_Group")}
    assert len(held[f"sg_{group.id.replace('-', '_')}"][1]) == 24
    assert len(held["cloudd_drop_a"][1]) == 24


async def test_two_clouds_do_not_see_each_other(make: Drivers, nbctl: Nbctl) -> None:
    first, second = await make("a"), await make("b")
    ours, theirs = specs.network(), specs.network()
    group = specs.group()
    await first.sync_network(ours)
    await second.sync_network(theirs)
    for cloud, network in ((first, ours), (second, theirs)):
        await cloud.sync_security_group(group if cloud is first else change(group, id=group.id[::-1]))
        await cloud.sync_port(specs.port(network))
    assert list((await first.inventory())["network"]) == [ours.id]
    assert list((await second.inventory())["network"]) == [theirs.id]
    assert {row["name"] for row in nbctl.rows("Port_Group")} >= {"cloudd_drop_a", "cloudd_drop_b"}
    with pytest.raises(BelongsToAnother):
        await second.sync_network(change(ours, revision=9))
    with pytest.raises(BelongsToAnother):
        await second.delete("network", ours.id)
    assert (await first.inventory())["network"] == {ours.id: 1}


async def test_rows_from_before_the_mark_are_adopted_and_strangers_left_alone(make: Drivers, nbctl: Nbctl) -> None:
    network = specs.network()
    nbctl("ls-add", "somebody-elses")
    nbctl("ls-add", f"network-{network.id}")
    nbctl("set", "Logical_Switch", f"network-{network.id}", f'external_ids={{"cloudd:kind"=network,"cloudd:id"="{network.id}"}}')
    cloud = await make("a")
    assert (await cloud.inventory())["network"] == {}
    assert await cloud.sync_network(network) is True
    assert await cloud.sync_network(network) is False
    assert (await cloud.inventory())["network"] == {network.id: 1}
    await clear(cloud)
    assert [row["name"] for row in nbctl.rows("Logical_Switch")] == ["somebody-elses"]
    nbctl("ls-del", "somebody-elses")


async def test_a_router_without_its_gateway_leaves_no_group_behind(make: Drivers, nbctl: Nbctl) -> None:
    cloud = await make("a")
    router = specs.router()
    inside: RouterPort = router.ports[0]
    await cloud.sync_router(router)
    await cloud.sync_router(change(router, revision=2, ports=(inside,), nats=(), routes=()))
    assert nbctl.rows("HA_Chassis_Group") == []
