"""What the OVN engine writes, read back with ovn-nbctl: somebody else's view of the same database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from cloudd.network.drivers.base import (
    AddressPair,
    DhcpOption,
    PortState,
    SecurityRule,
)
from cloudd.network.drivers.ovn import OvnDriver
from tests.contract.network import specs
from tests.contract.network.conftest import needs_ovn
from tests.contract.network.nbctl import Nbctl

pytestmark = needs_ovn
change = msgspec.structs.replace
CLOUD = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def nbctl(northbound: str) -> Nbctl:
    return Nbctl(northbound)


@pytest.fixture
async def ovn(northbound: str) -> AsyncIterator[OvnDriver]:
    driver = OvnDriver(northbound)
    await driver.start(CLOUD, lambda state: None, lambda: None)
    yield driver
    for kind, objects in (await driver.inventory()).items():
        for object_id in objects:
            await driver.delete(kind, object_id)
    await driver.stop()


async def test_dhcp_tells_the_way_to_the_metadata_service(ovn: OvnDriver, nbctl: Nbctl) -> None:
    network = specs.network(subnets=(specs.subnet(dns_nameservers=("9.9.9.9",)),))
    port = specs.port(network)
    await ovn.sync_network(network)
    await ovn.sync_port(port)
    row = nbctl("get", "Logical_Switch_Port", port.id, "dhcpv4_options")
    options = nbctl("dhcp-options-get-options", row)
    assert "router=10.0.0.1" in options
    assert "mtu=1442" in options
    assert "dns_server={9.9.9.9}" in options
    assert "classless_static_route={169.254.169.254/32,10.0.0.2, 0.0.0.0/0,10.0.0.1}" in options


async def test_a_port_with_its_own_dhcp_options_follows_its_subnet(ovn: OvnDriver, nbctl: Nbctl) -> None:
    network = specs.network()
    port = specs.port(network, dhcp_options=(DhcpOption("bootfile-name", "pxe.0"),))
    await ovn.sync_network(network)
    await ovn.sync_port(port)
    await ovn.sync_network(change(network, revision=2, mtu=1300))
    options = nbctl("dhcp-options-get-options", nbctl("get", "Logical_Switch_Port", port.id, "dhcpv4_options"))
    assert 'bootfile_name="pxe.0"' in options
    assert "mtu=1300" in options
    await ovn.sync_port(change(port, revision=2, dhcp_options=(DhcpOption("dhcp_disabled", "true"),)))
    assert nbctl("get", "Logical_Switch_Port", port.id, "dhcpv4_options") == "[]"
    assert len(nbctl.rows("DHCP_Options")) == 1


async def test_a_provider_network_has_a_localnet_port(ovn: OvnDriver, nbctl: Nbctl) -> None:
    network = specs.network(network_type="vlan", physical_network="external", segmentation_id=42)
    await ovn.sync_network(network)
    assert nbctl("get", "Logical_Switch_Port", f"localnet-{network.id}", "tag") == "42"
    assert nbctl("lsp-get-options", f"localnet-{network.id}") == "network_name=external"


async def test_port_security_holds_addresses_and_pairs(ovn: OvnDriver, nbctl: Nbctl) -> None:
    network = specs.network()
    port = specs.port(network, address_pairs=(AddressPair("10.9.0.0/24"), AddressPair("10.0.0.7", "fa:16:3e:00:00:09")))
    await ovn.sync_network(network)
    await ovn.sync_port(port)
    assert nbctl("lsp-get-port-security", port.id).splitlines() == [
        "fa:16:3e:00:00:01 10.0.0.10 10.9.0.0/24",
        "fa:16:3e:00:00:09 10.0.0.7",
    ]
    await ovn.sync_port(change(port, revision=2, port_security=False))
    assert nbctl("lsp-get-port-security", port.id) == ""
    assert "unknown" in nbctl("lsp-get-addresses", port.id)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}, "ip4 && tcp && tcp.dst == 22"),
        ({"protocol": "17", "port_range_min": 53, "port_range_max": 60}, "ip4 && udp && udp.dst >= 53 && udp.dst <= 60"),
        ({"protocol": "icmp", "port_range_min": 8, "port_range_max": 0}, "ip4 && icmp4 && icmp4.type == 8 && icmp4.code == 0"),
        ({"protocol": "icmp", "ethertype": "IPv6"}, "ip6 && icmp6"),
        ({"protocol": "vrrp"}, "ip4 && ip.proto == 112"),
        ({"remote_ip_prefix": "10.1.0.0/16"}, "ip4 && ip4.src == 10.1.0.0/16"),
        ({"remote_group_id": "a-b"}, "ip4 && ip4.src == $sg_a_b_ip4"),
    ],
)
async def test_rules_become_matches(ovn: OvnDriver, nbctl: Nbctl, values: dict[str, Any], match: str) -> None:
    rule = SecurityRule(**({"id": "r1", "direction": "ingress", "ethertype": "IPv4"} | values))
    group = specs.group(rules=(rule,))
    await ovn.sync_security_group(group)
    found = [row["match"] for row in nbctl.rows("ACL") if row["priority"] == 1002 and "sg_" in row["match"]]
    assert found == [f"outport == @sg_{group.id.replace('-', '_')} && {match}"]


async def test_router_rows(ovn: OvnDriver, nbctl: Nbctl) -> None:
    router = specs.router()
    await ovn.sync_router(router)
    assert "snat" in nbctl("lr-nat-list", f"router-{router.id}")
    assert "0.0.0.0/0" in nbctl("lr-route-list", f"router-{router.id}")
    await ovn.sync_router(change(router, revision=2, nats=(), routes=(), ports=router.ports[:1]))
    assert nbctl("lr-nat-list", f"router-{router.id}") == ""
    assert nbctl("lr-route-list", f"router-{router.id}") == ""
    assert len(nbctl("lrp-list", f"router-{router.id}").splitlines()) == 1


async def test_what_an_intruder_changed_is_put_right(ovn: OvnDriver, nbctl: Nbctl) -> None:
    network, group, router = specs.network(), specs.group(), specs.router()
    port = specs.port(network, security_group_ids=(group.id,))
    await ovn.sync_network(network)
    await ovn.sync_security_group(group)
    await ovn.sync_port(port)
    await ovn.sync_router(router)
    name = f"sg_{group.id.replace('-', '_')}"
    nbctl("--type=port-group", "acl-del", name)
    nbctl("--type=port-group", "acl-add", name, "to-lport", "2000", "ip", "allow")
    nbctl("clear", "Port_Group", name, "ports")
    nbctl("lsp-set-addresses", port.id, "unknown")
    nbctl("lr-nat-del", f"router-{router.id}")
    await asyncio.sleep(0.2)
    healed = [await ovn.sync_security_group(group), await ovn.sync_port(port), await ovn.sync_router(router)]
    assert healed == [True] * 3
    assert nbctl("--type=port-group", "acl-list", name).count("\n") == 0
    assert "tcp.dst == 22" in nbctl("--type=port-group", "acl-list", name)
    assert nbctl("lsp-get-addresses", port.id) == "fa:16:3e:00:00:01 10.0.0.10"
    assert nbctl("get", "Port_Group", name, "ports") != "[]"
    assert "snat" in nbctl("lr-nat-list", f"router-{router.id}")


async def test_the_watch_tells_when_a_port_comes_up(ovn: OvnDriver, northbound: str, nbctl: Nbctl) -> None:
    seen: asyncio.Queue[PortState] = asyncio.Queue()
    watcher = OvnDriver(northbound)
    await watcher.start(CLOUD, seen.put_nowait, lambda: None)
    network = specs.network()
    port = specs.port(network)
    await ovn.sync_network(network)
    await ovn.sync_port(port)
    assert await asyncio.wait_for(seen.get(), 5) == PortState(port.id, False)
    nbctl("set", "Logical_Switch_Port", port.id, "up=true")
    assert await asyncio.wait_for(seen.get(), 5) == PortState(port.id, True)
    await watcher.stop()
    assert await ovn.port_states() == {port.id: True}
