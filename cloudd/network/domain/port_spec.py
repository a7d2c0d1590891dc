"""The shapes in which ports are asked for, and the checks of their values."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType, field

from cloudd.network.domain.address import parse_address, parse_cidr
from cloudd.network.domain.allocation import FixedIpSpec
from cloudd.network.errors import InvalidInput

Text = Annotated[str, msgspec.Meta(max_length=255)]
VnicType = Literal[
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "remote-managed",
]
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)
MAX_ADDRESS_PAIRS = 10


class AddressPairSpec(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    ip_address: str
    mac_address: str | None = None


class DhcpOptionSpec(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A value of null takes the option away."""

    opt_name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    opt_value: Text | None = None
    ip_version: Literal[4, 6, "4", "6"] | None = None


class PortCreate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    network_id: str
    name: Text = ""
    description: Text = ""
    admin_state_up: bool = True
    mac_address: str | UnsetType | None = UNSET
    fixed_ips: list[FixedIpSpec] | UnsetType | None = UNSET
    device_id: Text = ""
    device_owner: Text = ""
    security_groups: list[str] | UnsetType | None = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    allowed_address_pairs: list[AddressPairSpec] | None = None
    extra_dhcp_opts: list[DhcpOptionSpec] | None = None
    binding_host: Text | UnsetType | None = field(name="binding:host_id", default=UNSET)
    binding_vnic_type: VnicType = field(name="binding:vnic_type", default="normal")
    binding_profile: dict[str, Any] | UnsetType | None = field(name="binding:profile", default=UNSET)
    project_id: str | None = None
    tenant_id: str | None = None


class PortUpdate(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    mac_address: str | UnsetType = UNSET
    fixed_ips: list[FixedIpSpec] | UnsetType | None = UNSET
    device_id: Text | UnsetType = UNSET
    device_owner: Text | UnsetType = UNSET
    security_groups: list[str] | UnsetType | None = UNSET
    port_security_enabled: bool | UnsetType = UNSET
    allowed_address_pairs: list[AddressPairSpec] | UnsetType | None = UNSET
    extra_dhcp_opts: list[DhcpOptionSpec] | UnsetType | None = UNSET
    binding_host: Text | UnsetType | None = field(name="binding:host_id", default=UNSET)
    binding_vnic_type: VnicType | UnsetType = field(name="binding:vnic_type", default=UNSET)
    binding_profile: dict[str, Any] | UnsetType | None = field(name="binding:profile", default=UNSET)


def check_mac(text: str) -> str:
    """The MAC in lower case. Raises InvalidInput."""
    if MAC.fullmatch(text) is None:
        raise InvalidInput(reason=f"Invalid input for mac_address. Reason: '{text}' is not a valid MAC address.")
    if int(text[:2], 16) & 1:
        raise InvalidInput(reason=f"Invalid input for mac_address. Reason: '{text}' is a multicast address.")
    return text.lower()


def check_pairs(pairs: list[AddressPairSpec], mac: str) -> list[dict[str, str]]:
    """Pairs with the port's MAC where they name none. Raises InvalidInput."""
    if len(pairs) > MAX_ADDRESS_PAIRS:
        raise InvalidInput(reason="The number of allowed address pairs exceeds the maximum 10.", type_name="AllowedAddressPairExhausted")
    found: list[dict[str, str]] = []
    for pair in pairs:
        if "/" in pair.ip_address:
            address = str(parse_cidr(pair.ip_address, "allowed_address_pairs"))
        else:
            address = str(parse_address(pair.ip_address, "allowed_address_pairs"))
        item = {"mac_address": check_mac(pair.mac_address) if pair.mac_address else mac, "ip_address": address}
        if item in found:
            reason = f"Request contains duplicate address pair: mac_address {item['mac_address']} ip_address {address}."
            raise InvalidInput(reason=reason, type_name="DuplicateAddressPairInRequest")
        found.append(item)
    return found


def keep_dhcp_options(options: list[DhcpOptionSpec]) -> list[dict[str, Any]]:
    """Options as they are stored."""
    return merge_dhcp_options([], options)


def merge_dhcp_options(held: list[dict[str, Any]], options: list[DhcpOptionSpec]) -> list[dict[str, Any]]:
    """The held options, with those given put over them by name and IP version."""
    merged = {(item["opt_name"], item["ip_version"]): item for item in held}
    for option in options:
        version = int(option.ip_version or 4)
        if option.opt_value is None:
            merged.pop((option.opt_name, version), None)
        else:
            merged[option.opt_name, version] = {"opt_name": option.opt_name, "opt_value": option.opt_value, "ip_version": version}
    return list(merged.values())
