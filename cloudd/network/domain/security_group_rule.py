"""Security group rules: what they may say, and making and removing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import uuid4

import msgspec

from cloudd.kit.auth import Context
from cloudd.kit.clock import now
from cloudd.kit.db import Transaction
from cloudd.network.domain.address import parse_cidr
from cloudd.network.domain.records import Ground, Records
from cloudd.network.errors import InvalidInput, SecurityGroupNotFound, SecurityGroupRuleExists, SecurityGroupRuleNotFound
from cloudd.network.store.security_group_rule import SecurityGroupRule, security_group_rule_table

Text = Annotated[str, msgspec.Meta(max_length=255)]
PROTOCOLS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "icmp": 1, "icmpv6": 58, "igmp": 2, "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44,
    "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6,
    "udp": 17, "udplite": 136, "vrrp": 112,
}  # fmt: skip
WITH_PORTS = (6, 17, 33, 132, 136)
ICMP = (1, 58)
V6_ONLY = (41, 43, 44, 58, 59, 60)


class SecurityGroupRuleCreate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    security_group_id: str
    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6", "ipv4", "ipv6"] | None = None
    protocol: str | int | None = None
    port_range_min: int | str | None = None
    port_range_max: int | str | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    remote_address_group_id: None = None
    description: Text = ""
    project_id: str | None = None
    tenant_id: str | None = None


class RuleDetail(msgspec.Struct, kw_only=True):
    rule: SecurityGroupRule


class SecurityGroupRules(Records[SecurityGroupRule, RuleDetail]):
    not_found, key = SecurityGroupRuleNotFound, "rule_id"

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground, ground.stores.rules)

    async def describe(self, tx: Transaction, records: list[SecurityGroupRule]) -> list[RuleDetail]:
        return [RuleDetail(rule=rule) for rule in records]

    async def create(self, ctx: Context, specs: Sequence[SecurityGroupRuleCreate]) -> list[RuleDetail]:
        """All of them or none."""
        made = [build(spec) for spec in specs]

        async def work(tx: Transaction) -> list[RuleDetail]:
            for rule in made:
                await self._insert(tx, ctx, rule)
            return await self.describe(tx, made)

        return await self.ground.write(work)

    async def _insert(self, tx: Transaction, ctx: Context, rule: SecurityGroupRule) -> None:
        group = await self.stores.groups.get(tx, rule.security_group_id, lock=True)
        if group is None or not ctx.may_see(group.project_id):
            raise SecurityGroupNotFound(security_group_id=rule.security_group_id)
        if rule.remote_group_id is not None:
            remote = await self.stores.groups.get(tx, rule.remote_group_id)
            if remote is None or not ctx.may_see(remote.project_id):
                raise SecurityGroupNotFound(security_group_id=rule.remote_group_id)
        rule.project_id = group.project_id
        await self.ground.quotas.reserve(tx, group.project_id, "security_group_rule")
        for known in await self.store.find(tx, security_group_rule_table.c.security_group_id == group.id):
            if meaning(known) == meaning(rule):
                raise SecurityGroupRuleExists(rule_id=known.id)
        await self.store.insert(tx, rule)
        await self.ground.changes.mark(tx, "security_group", group.id)

    async def delete(self, ctx: Context, rule_id: str) -> None:
        async def work(tx: Transaction) -> None:
            rule: SecurityGroupRule = await self.own(tx, ctx, rule_id)
            await self.store.delete(tx, rule_id)
            await self.ground.changes.mark(tx, "security_group", rule.security_group_id)

        await self.ground.write(work)


def meaning(rule: SecurityGroupRule) -> tuple[object, ...]:
    """What a rule lets through, whatever its spelling: two with the same meaning are one too many."""
    protocol = None if rule.protocol in (None, "any", "0") else number_of(rule.protocol or "")
    prefix = rule.remote_ip_prefix if rule.remote_ip_prefix not in ("0.0.0.0/0", "::/0") else None
    return (rule.direction, rule.ethertype, protocol, rule.port_range_min, rule.port_range_max, prefix, rule.remote_group_id)


def number_of(protocol: str) -> int:
    """A protocol's number. Raises InvalidInput for what is no protocol."""
    name = protocol.lower()
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if name.isdigit() and int(name) <= 255:
        return int(name)
    known = ", ".join(["None", *sorted(PROTOCOLS)])
    reason = f"Security group rule protocol {protocol} not supported. Only protocol values [{known}] and integers [0 to 255] are supported."
    raise InvalidInput(reason=reason, type_name="SecurityGroupRuleInvalidProtocol")


def build(spec: SecurityGroupRuleCreate) -> SecurityGroupRule:
    """The rule as it is stored, checked. Raises InvalidInput with upstream's messages."""
    ethertype = "IPv6" if (spec.ethertype or "IPv4").lower() == "ipv6" else "IPv4"
    low, high = _port("min", spec.port_range_min), _port("max", spec.port_range_max)
    protocol = None if spec.protocol is None else str(spec.protocol).lower()
    number = None if protocol in (None, "any") else number_of(protocol or "")
    if number in V6_ONLY and ethertype == "IPv4":
        raise InvalidInput(
            reason=f"Invalid ethertype IPv4 for protocol {protocol}.", type_name="SecurityGroupEthertypeConflictWithProtocol"
        )
    if spec.remote_ip_prefix is not None and spec.remote_group_id is not None:
        raise InvalidInput(
            reason="Only remote_ip_prefix or remote_group_id may be provided.", type_name="SecurityGroupRemoteGroupAndRemoteIpPrefix"
        )
    check_range(protocol, number, low, high)
    return SecurityGroupRule(
        id=str(uuid4()),
        project_id="",
        security_group_id=spec.security_group_id,
        direction=spec.direction,
        ethertype=ethertype,
        protocol=None if protocol == "any" else protocol,
        port_range_min=low,
        port_range_max=high,
        remote_ip_prefix=_prefix(spec, ethertype),
        remote_group_id=spec.remote_group_id,
        description=spec.description,
        created_at=now(),
        updated_at=now(),
    )


def check_range(protocol: str | None, number: int | None, low: int | None, high: int | None) -> None:
    if low is None and high is None:
        return
    if number is None:
        raise InvalidInput(reason="Must also specify protocol if port range is given.", type_name="SecurityGroupProtocolRequiredWithPorts")
    if number in ICMP:
        if low is None:
            raise InvalidInput(
                reason=f"ICMP code (port-range-max) {high} is provided but ICMP type (port-range-min) is missing.",
                type_name="SecurityGroupMissingIcmpType",
            )
        for field, what, value in (("port-range-min", "ICMP type", low), ("port-range-max", "ICMP code", high)):
            if value is not None and not 0 <= value <= 255:
                raise InvalidInput(
                    reason=f"Invalid value for {what} ({field}) {value}. It must be 0 to 255.", type_name="SecurityGroupInvalidIcmpValue"
                )
        return
    if number not in WITH_PORTS:
        raise InvalidInput(
            reason=f"Security group rule for protocol {protocol} takes no port range.", type_name="SecurityGroupInvalidProtocolForPort"
        )
    if low is None or high is None or low > high:
        raise InvalidInput(
            reason="For TCP/UDP protocols, port_range_min must be <= port_range_max", type_name="SecurityGroupInvalidPortRange"
        )
    if low == 0:
        raise InvalidInput(reason="Invalid value for port 0", type_name="SecurityGroupInvalidPortValue")


def _port(end: str, value: int | str | None) -> int | None:
    if value is None or value == "":
        return None
    try:
        number = int(value)
    except ValueError:
        raise InvalidInput(reason=f"Invalid input for port_range_{end}. Reason: Invalid port: {value}.") from None
    if not 0 <= number <= 65535:
        raise InvalidInput(reason=f"Invalid value for port {value}", type_name="SecurityGroupInvalidPortValue")
    return number


def _prefix(spec: SecurityGroupRuleCreate, ethertype: str) -> str | None:
    if spec.remote_ip_prefix is None:
        return None
    text = spec.remote_ip_prefix
    network = parse_cidr(text if "/" in text else f"{text}/{128 if ':' in text else 32}", "remote_ip_prefix")
    if (network.version == 6) != (ethertype == "IPv6"):
        reason = f"Conflicting value ethertype {ethertype} for CIDR {text}"
        raise InvalidInput(reason=reason, type_name="SecurityGroupRuleParameterConflict")
    return str(network)
