"""What every network engine must do, the fake and the real one alike."""

import msgspec
import pytest

from cloudd.network.drivers.base import DependencyMissing, NetworkDriver
from tests.contract.network import specs

change = msgspec.structs.replace


async def test_objects_are_made_once_and_listed(driver: NetworkDriver) -> None:
    network, group, router = specs.network(), specs.group(), specs.router()
    port = specs.port(network, security_group_ids=(group.id,))
    for _ in range(2):
        await driver.sync_network(network)
        await driver.sync_security_group(group)
        await driver.sync_port(port)
        await driver.sync_router(router)
    assert await driver.inventory() == {
        "network": {network.id: 1},
        "security_group": {group.id: 1},
        "port": {port.id: 1},
        "router": {router.id: 1},
    }


async def test_the_second_call_changes_nothing(driver: NetworkDriver) -> None:
    network, group, router = specs.network(), specs.group(), specs.router()
    port = specs.port(network, security_group_ids=(group.id,))
    made = [await driver.sync_network(network), await driver.sync_security_group(group), await driver.sync_port(port)]
    assert [*made, await driver.sync_router(router)] == [True] * 4
    again = [await driver.sync_network(network), await driver.sync_security_group(group), await driver.sync_port(port)]
    assert [*again, await driver.sync_router(router)] == [False] * 4


async def test_an_older_state_never_overwrites_a_newer(driver: NetworkDriver) -> None:
    network = specs.network(revision=5)
    await driver.sync_network(network)
    assert await driver.sync_network(change(network, revision=4, mtu=1000)) is False
    assert (await driver.inventory())["network"] == {network.id: 5}
    assert await driver.sync_network(change(network, revision=6, mtu=1000)) is True


async def test_a_port_needs_its_network_and_groups(driver: NetworkDriver) -> None:
    network, group = specs.network(), specs.group()
    port = specs.port(network, security_group_ids=(group.id,))
    with pytest.raises(DependencyMissing):
        await driver.sync_port(port)
    await driver.sync_network(network)
    with pytest.raises(DependencyMissing):
        await driver.sync_port(port)
    assert (await driver.inventory())["port"] == {}
    await driver.sync_security_group(group)
    assert await driver.sync_port(port) is True


async def test_delete_may_run_twice(driver: NetworkDriver) -> None:
    network, group, router = specs.network(), specs.group(), specs.router()
    port = specs.port(network, security_group_ids=(group.id,))
    await driver.sync_network(network)
    await driver.sync_security_group(group)
    await driver.sync_port(port)
    await driver.sync_router(router)
    for kind, object_id in (("port", port.id), ("router", router.id), ("security_group", group.id), ("network", network.id)):
        assert await driver.delete(kind, object_id) is True  # type: ignore[arg-type]
        assert await driver.delete(kind, object_id) is False  # type: ignore[arg-type]
    assert not any((await driver.inventory()).values())


async def test_a_network_takes_its_ports_along(driver: NetworkDriver) -> None:
    network = specs.network()
    await driver.sync_network(network)
    await driver.sync_port(specs.port(network))
    await driver.delete("network", network.id)
    assert (await driver.inventory())["port"] == {}
    assert await driver.port_states() == {}


async def test_a_new_port_is_down(driver: NetworkDriver) -> None:
    network = specs.network()
    port = specs.port(network)
    await driver.sync_network(network)
    await driver.sync_port(port)
    assert await driver.port_states() == {port.id: False}


async def test_what_was_lost_comes_back(driver: NetworkDriver) -> None:
    network = specs.network()
    port = specs.port(network)
    await driver.sync_network(network)
    await driver.sync_port(port)
    await driver.delete("network", network.id)
    assert await driver.sync_network(network) is True
    assert await driver.sync_port(port) is True
    assert (await driver.inventory())["port"] == {port.id: 1}
