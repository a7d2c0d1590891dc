"""A network as a logical switch, with a localnet port when it is bridged to a physical one."""

from typing import Any

from cloudd.network.drivers.base import NetworkSpec
from cloudd.network.drivers.ovn import dhcp
from cloudd.network.drivers.ovn.rows import ID, KEY, KIND, Row, find, is_newer, marks_of, put


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


def sync(txn: Any, tables: Any, spec: NetworkSpec) -> bool:
    switch = find(tables, "Logical_Switch", switch_name(spec.id))
    if is_newer(switch, spec.revision):
        return False
    switch, changed = put(txn, switch_row(spec), switch)
    localnet = find(tables, "Logical_Switch_Port", f"localnet-{spec.id}")
    if spec.physical_network:
        row, touched = put(txn, localnet_row(spec), localnet)
        if localnet is None:
            switch.addvalue("ports", row.uuid)
        changed |= touched
    elif localnet is not None:
        switch.delvalue("ports", localnet.uuid)
        localnet.delete()
        changed = True
    return _sync_dhcp(txn, tables, spec) or changed


def _sync_dhcp(txn: Any, tables: Any, spec: NetworkSpec) -> bool:
    present = {row.external_ids.get(KEY, ""): row for row in dhcp_rows(tables, dhcp.NETWORK, spec.id)}
    shared = {subnet.id: dhcp.subnet_row(spec, subnet) for subnet in spec.subnets if dhcp.is_served(subnet)}
    wanted = list(shared.values())
    for row in present.values():
        port_id, of_subnet = row.external_ids.get(dhcp.PORT), shared.get(row.external_ids.get(dhcp.SUBNET, ""))
        if port_id and of_subnet:
            wanted.append(dhcp.port_row(port_id, of_subnet, dhcp.read_overrides(row)))
    changed = False
    for item in wanted:
        changed |= put(txn, item, present.pop(item.key, None))[1]
    for row in present.values():
        row.delete()
        changed = True
    return changed


def dhcp_rows(tables: Any, mark: str, value: str) -> list[Any]:
    """DHCP rows of ours with that mark (there are as many as subnets, so a walk is cheap)."""
    return [row for row in tables["DHCP_Options"].rows.values() if row.external_ids.get(mark) == value]


def delete(tables: Any, network_id: str) -> bool:
    """Removes the switch (its ports fall with it) and the DHCP options."""
    rows = dhcp_rows(tables, dhcp.NETWORK, network_id)
    switch = find(tables, "Logical_Switch", switch_name(network_id))
    if switch is not None:
        rows.append(switch)
    for row in rows:
        row.delete()
    return bool(rows)


def inventory(tables: Any) -> dict[str, Any]:
    return {row.external_ids[ID]: row for row in tables["Logical_Switch"].rows.values() if row.external_ids.get(KIND) == "network"}
