"""A security group as a port group with ACLs; one more group drops what no rule lets through."""

from cloudd.network.drivers.base import SecurityGroupSpec, SecurityRule
from cloudd.network.drivers.ovn.rows import Northbound, Row, is_newer, marks_of

DROP_PRIORITY, ALLOW_PRIORITY = 1001, 1002
NAMED_NUMBERS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp", "132": "sctp"}
ICMP_NAMES = ("icmp", "icmpv6", "ipv6-icmp")
PROTOCOL_NUMBERS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "igmp": 2, "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44,
    "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46, "udplite": 136, "vrrp": 112,
}  # fmt: skip


def group_name(group_id: str) -> str:
    """Port group names appear in match expressions, which allow no hyphen."""
    return "sg_" + group_id.replace("-", "_")


def group_row(spec: SecurityGroupSpec) -> Row:
    name = group_name(spec.id)
    return Row(
        table="Port_Group",
        key=name,
        columns={"name": name},
        marks=marks_of("security_group", spec) | {"cloudd:name": spec.name},
        children={"acls": [_acl(rule.id, rule.direction, ALLOW_PRIORITY, match_of(rule, name), "allow-related") for rule in spec.rules]},
    )


def _acl(key: str, direction: str, priority: int, match: str, action: str) -> Row:
    columns = {"direction": "to-lport" if direction == "ingress" else "from-lport", "priority": priority, "match": match, "action": action}
    return Row(table="ACL", key=key, columns=columns)


def match_of(rule: SecurityRule, group: str) -> str:
    """The rule in OVN's expression language."""
    ip = "ip4" if rule.ethertype == "IPv4" else "ip6"
    port, remote = ("outport", "src") if rule.direction == "ingress" else ("inport", "dst")
    terms = [f"{port} == @{group}", ip]
    if rule.remote_ip_prefix:
        terms.append(f"{ip}.{remote} == {rule.remote_ip_prefix}")
    if rule.remote_group_id:
        terms.append(f"{ip}.{remote} == ${group_name(rule.remote_group_id)}_{ip}")
    return " && ".join(terms + _protocol_terms(rule, ip))


def _protocol_terms(rule: SecurityRule, ip: str) -> list[str]:
    protocol = NAMED_NUMBERS.get(str(rule.protocol), rule.protocol)
    if protocol in (None, "any", "0"):
        return []
    if protocol in ICMP_NAMES:
        icmp = "icmp4" if ip == "ip4" else "icmp6"
        code = [f"{icmp}.code == {rule.port_range_max}"] if rule.port_range_max is not None else []
        return [icmp, *([f"{icmp}.type == {rule.port_range_min}"] if rule.port_range_min is not None else []), *code]
    if protocol in ("tcp", "udp", "sctp"):
        low, high = rule.port_range_min, rule.port_range_max
        if low is not None and low == high:
            return [protocol, f"{protocol}.dst == {low}"]
        limits = [f"{protocol}.dst >= {low}"] if low is not None else []
        return [protocol, *limits, *([f"{protocol}.dst <= {high}"] if high is not None else [])]
    return [f"ip.proto == {PROTOCOL_NUMBERS.get(protocol or '', protocol)}"]


def drop_group(cloud_id: str) -> str:
    """The group of all guarded ports; each cloud on an OVN has its own."""
    return "cloudd_drop_" + cloud_id.replace("-", "_")


def drop_row(name: str) -> Row:
    """Guarded ports reach nothing without a rule, save asking for an address."""
    source, target = f"inport == @{name}", f"outport == @{name}"
    dhcp_v4 = f"{source} && ip4 && udp.src == 68 && udp.dst == 67"
    dhcp_v6 = f"{source} && ip6 && udp.src == 546 && udp.dst == 547"
    return Row(
        table="Port_Group",
        key=name,
        columns={"name": name},
        children={
            "acls": [
                _acl("drop-ingress", "ingress", DROP_PRIORITY, f"{target} && ip", "drop"),
                _acl("drop-egress", "egress", DROP_PRIORITY, f"{source} && ip", "drop"),
                _acl("dhcp-v4", "egress", ALLOW_PRIORITY, dhcp_v4, "allow"),
                _acl("dhcp-v6", "egress", ALLOW_PRIORITY, dhcp_v6, "allow"),
            ]
        },
    )


def ensure_drop_group(nb: Northbound) -> bool:
    name = drop_group(nb.cloud_id)
    return nb.put(drop_row(name), nb.find("Port_Group", name))[1]


def sync(nb: Northbound, spec: SecurityGroupSpec) -> bool:
    group = nb.find("Port_Group", group_name(spec.id))
    if is_newer(group, spec.revision):
        return False
    return nb.put(group_row(spec), group)[1]


def delete(nb: Northbound, group_id: str) -> bool:
    group = nb.find("Port_Group", group_name(group_id))
    if group is not None:
        group.delete()
    return group is not None
