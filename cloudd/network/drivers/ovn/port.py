"""A port as a logical switch port, and its membership of port groups."""

from typing import Any

from cloudd.network.drivers.base import AddressPair, DependencyMissing, PortSpec
from cloudd.network.drivers.ovn import dhcp
from cloudd.network.drivers.ovn.network import switch_name
from cloudd.network.drivers.ovn.router import router_port_name
from cloudd.network.drivers.ovn.rows import KEY, Northbound, Row, is_newer, marks_of
from cloudd.network.drivers.ovn.security_group import drop_group, ensure_drop_group, group_name

NETWORK = dhcp.NETWORK


def port_row(spec: PortSpec, dhcp_v4: Any | None, dhcp_v6: Any | None) -> Row:
    """The switch port; `dhcp_v4` and `dhcp_v6` are ids of DHCP_Options rows."""
    addresses = " ".join([spec.mac_address, *(ip.ip_address for ip in spec.fixed_ips)])
    guarded = spec.role == "guest" and spec.port_security
    columns: dict[str, Any] = {
        "name": spec.id,
        "type": {"guest": "", "metadata": "localport"}.get(spec.role, "router"),
        "enabled": [spec.enabled],
        "addresses": [addresses] if spec.role != "guest" or spec.port_security else [addresses, "unknown"],
        "port_security": port_security(spec) if guarded else [],
        "dhcpv4_options": [dhcp_v4] if dhcp_v4 else [],
        "dhcpv6_options": [dhcp_v6] if dhcp_v6 else [],
        "options": _options(spec),
    }
    if spec.role.startswith("router"):
        columns["addresses"] = ["router"]
        columns["options"] = {"router-port": router_port_name(spec.id)}
        if spec.role == "router_gateway":
            columns["options"] |= {"nat-addresses": "router", "exclude-lb-vips-from-garp": "true"}
    marks = marks_of("port", spec) | {NETWORK: spec.network_id, "cloudd:name": spec.name, "cloudd:device": spec.device_id}
    if spec.role == "metadata":
        marks["cloudd:role"] = "metadata"
    return Row(table="Logical_Switch_Port", key=spec.id, columns=columns, marks=marks)


def _options(spec: PortSpec) -> dict[str, str]:
    """Only the port's own host may claim it; during a move both, and the new one is silent until the guest speaks there (RARP)."""
    options = {"hostname": spec.hostname} if spec.hostname else {}
    if spec.role != "guest" or not spec.host:
        return options
    if spec.destination and spec.destination != spec.host:
        return options | {"requested-chassis": f"{spec.host},{spec.destination}", "activation-strategy": "rarp"}
    return options | {"requested-chassis": spec.host}


def port_security(spec: PortSpec) -> list[str]:
    """MAC with the addresses that may go with it, one entry a MAC."""
    own = [AddressPair(ip.ip_address, spec.mac_address) for ip in spec.fixed_ips]
    by_mac: dict[str, list[str]] = {spec.mac_address: []}
    for pair in [*own, *spec.address_pairs]:
        known = by_mac.setdefault((pair.mac_address or spec.mac_address).lower(), [])
        if pair.ip_address not in known:
            known.append(pair.ip_address)
    return [" ".join([mac, *addresses]) for mac, addresses in by_mac.items()]


def sync(nb: Northbound, spec: PortSpec) -> bool:
    switch = nb.find("Logical_Switch", switch_name(spec.network_id))
    if switch is None:
        raise DependencyMissing(f"network {spec.network_id} of port {spec.id} is not in OVN yet")
    port = nb.find("Logical_Switch_Port", spec.id)
    if is_newer(port, spec.revision):
        return False
    stale = {row.external_ids[KEY]: row for row in nb.marked("DHCP_Options", dhcp.PORT, spec.id)}
    dhcp_v4, changed_v4 = _dhcp_options(nb, spec, 4, stale)
    dhcp_v6, changed_v6 = _dhcp_options(nb, spec, 6, stale)
    for row in stale.values():
        row.delete()
    row, changed = nb.put(port_row(spec, dhcp_v4, dhcp_v6), port)
    if port is None or port.uuid not in {item.uuid for item in switch.ports}:
        switch.addvalue("ports", row.uuid)
        changed = True
    return _sync_groups(nb, spec, row) or changed or changed_v4 or changed_v6 or bool(stale)


def _dhcp_options(nb: Northbound, spec: PortSpec, ip_version: int, stale: dict[str, Any]) -> tuple[Any | None, bool]:
    """The id of the DHCP row for the port's first address of that version; rows in use leave `stale`."""
    overrides = dhcp.overrides_of(spec.dhcp_options, ip_version)
    if spec.role != "guest" or overrides is None:
        return None, False
    shared_rows = {row.external_ids.get(KEY): row for row in nb.marked("DHCP_Options", NETWORK, spec.network_id)}
    for address in spec.fixed_ips:
        shared = shared_rows.get(f"dhcp-{address.subnet_id}")
        if shared is None or (":" in shared.cidr) != (ip_version == 6):
            continue
        if not overrides:
            return shared.uuid, False
        wanted = dhcp.port_row(spec.id, dhcp.read_subnet_row(shared), overrides)
        row, changed = nb.put(wanted, stale.pop(wanted.key, None))
        return row.uuid, changed
    return None, False


def _sync_groups(nb: Northbound, spec: PortSpec, port: Any) -> bool:
    """Make the port a member of exactly its security groups' port groups (and of the one that drops the rest)."""
    wanted: set[str] = set()
    changed = False
    if spec.role == "guest" and spec.port_security:
        changed = ensure_drop_group(nb)
        wanted = {drop_group(nb.cloud_id), *(group_name(group_id) for group_id in spec.security_group_ids)}
    for name in wanted:
        if nb.find("Port_Group", name) is None:
            raise DependencyMissing(f"port group {name} of port {spec.id} is not in OVN yet")
    for group in nb.tables["Port_Group"].rows.values():
        if not nb.owns(group):
            continue
        member = port.uuid in {item.uuid for item in getattr(group, "ports", [])}
        if group.name in wanted and not member:
            group.addvalue("ports", port.uuid)
            changed = True
        elif member and group.name not in wanted:
            group.delvalue("ports", port.uuid)
            changed = True
    return changed


def delete(nb: Northbound, port_id: str) -> bool:
    """Removes the port from its switch; memberships are weak references and go with it."""
    rows = nb.marked("DHCP_Options", dhcp.PORT, port_id)
    port = nb.find("Logical_Switch_Port", port_id)
    if port is not None:
        rows.append(port)
        switch = nb.find("Logical_Switch", switch_name(port.external_ids.get(NETWORK, "")))
        if switch is not None:
            switch.delvalue("ports", port.uuid)
    for row in rows:
        row.delete()
    return bool(rows)
