"""A network as a logical switch, with a localnet port when it is bridged to a physical one."""

from cloudd.network.drivers.base import NetworkSpec
from cloudd.network.drivers.ovn import dhcp
from cloudd.network.drivers.ovn.rows import KEY, Northbound, Row, is_newer, marks_of


def switch_name(network_id: str) -> str:
    return f"network-{network_id}"


def switch_row(spec: NetworkSpec) -> Row:
    """The logical switch alone; its ports belong to the port objects."""
    # `mcast_snoop` off is OVN's default: multicast is flooded, as on a plain switch.
    return Row(
        table="Logical_Switch",
        key=switch_name(spec.id),
        columns={"name": switch_name(spec.id), "other_config": {"mcast_snoop": "false", "vlan-passthru": "false"}},
        marks=marks_of("network", spec) | {"cloudd:name": spec.name},
    )


def localnet_row(spec: NetworkSpec) -> Row:
    """The switch port that stands for the physical network on every host that has it."""
    return Row(
        table="Logical_Switch_Port",
        key=f"localnet-{spec.id}",
        columns={
            "name": f"localnet-{spec.id}",
            "type": "localnet",
            "addresses": ["unknown"],
            "tag": [spec.segmentation_id] if spec.network_type == "vlan" and spec.segmentation_id else [],
            "options": {"network_name": spec.physical_network or ""},
        },
        marks={dhcp.NETWORK: spec.id},
    )


def sync(nb: Northbound, spec: NetworkSpec) -> bool:
    switch = nb.find("Logical_Switch", switch_name(spec.id))
    if is_newer(switch, spec.revision):
        return False
    switch, changed = nb.put(switch_row(spec), switch)
    localnet = nb.find("Logical_Switch_Port", f"localnet-{spec.id}")
    if spec.physical_network:
        row, touched = nb.put(localnet_row(spec), localnet)
        if localnet is None:
            switch.addvalue("ports", row.uuid)
        changed |= touched
    elif localnet is not None:
        switch.delvalue("ports", localnet.uuid)
        localnet.delete()
        changed = True
    return _sync_dhcp(nb, spec) or changed


def _sync_dhcp(nb: Northbound, spec: NetworkSpec) -> bool:
    present = {row.external_ids.get(KEY, ""): row for row in nb.marked("DHCP_Options", dhcp.NETWORK, spec.id)}
    shared = {subnet.id: dhcp.subnet_row(spec, subnet) for subnet in spec.subnets if dhcp.is_served(subnet)}
    wanted = list(shared.values())
    for row in present.values():
        port_id, of_subnet = row.external_ids.get(dhcp.PORT), shared.get(row.external_ids.get(dhcp.SUBNET, ""))
        if port_id and of_subnet:
            wanted.append(dhcp.port_row(port_id, of_subnet, dhcp.read_overrides(row)))
    changed = False
    for item in wanted:
        changed |= nb.put(item, present.pop(item.key, None))[1]
    for row in present.values():
        row.delete()
        changed = True
    return changed


def delete(nb: Northbound, network_id: str) -> bool:
    """Removes the switch (its ports fall with it) and the DHCP options."""
    rows = nb.marked("DHCP_Options", dhcp.NETWORK, network_id)
    switch = nb.find("Logical_Switch", switch_name(network_id))
    if switch is not None:
        rows.append(switch)
    for row in rows:
        row.delete()
    return bool(rows)
