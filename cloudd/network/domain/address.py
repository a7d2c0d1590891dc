"""Address arithmetic: ranges, pools, overlaps, and the choice of a free address."""

import ipaddress
import itertools
import secrets
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from cloudd.network.errors import GatewayConflict, InvalidInput

IPNetwork = IPv4Network | IPv6Network
IPAddress = IPv4Address | IPv6Address
Pool = dict[str, str]

# Neighbours in time take different addresses, so that two who choose at once seldom choose the same.
CHOICES = 8


def parse_cidr(text: str, what: str = "cidr") -> IPNetwork:
    """A CIDR without host bits. Raises InvalidInput."""
    try:
        if "/" not in text or "%" in text:
            raise ValueError("it has no prefix length, or a zone")
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise InvalidInput(reason=f"Invalid input for {what}. Reason: '{text}' is not a valid IP subnet: {error}.") from None


def parse_address(text: str, what: str = "ip_address") -> IPAddress:
    """An address. Raises InvalidInput."""
    try:
        if "%" in text:
            raise ValueError(text)
        return ipaddress.ip_address(text)
    except ValueError:
        raise InvalidInput(reason=f"Invalid input for {what}. Reason: '{text}' is not a valid IP address.") from None


def first_host(network: IPNetwork) -> IPAddress:
    """Where the gateway is when nobody says: the first address that a host may have."""
    return network[1] if network.num_addresses > 2 else network[0]


def usable(address: IPAddress, network: IPNetwork) -> bool:
    """Whether a host may have the address (neither outside, nor the range's own, nor the broadcast address)."""
    if address not in network:
        return False
    if network.version == 6:
        return network.prefixlen >= 127 or address != network.network_address
    return network.prefixlen >= 31 or address not in (network.network_address, network.broadcast_address)


def default_pools(network: IPNetwork, gateway: IPAddress | None) -> list[Pool]:
    """All usable addresses but the gateway."""
    low, high = int(network[0]), int(network[-1])
    if network.version == 4 and network.prefixlen < 31:
        low, high = low + 1, high - 1
    elif network.version == 6 and network.prefixlen < 127:
        low += 1
    ranges = [(low, high)]
    if gateway is not None and low <= int(gateway) <= high:
        ranges = [(low, int(gateway) - 1), (int(gateway) + 1, high)]
    kind = IPv4Address if network.version == 4 else IPv6Address
    return [{"start": str(kind(start)), "end": str(kind(end))} for start, end in ranges if start <= end]


def check_pools(pools: Sequence[Pool], network: IPNetwork, gateway: IPAddress | None) -> list[Pool]:
    """The pools in order and in canonical spelling. Raises InvalidInput where they leave the subnet, overlap or hold the gateway."""
    ranges: list[tuple[IPAddress, IPAddress]] = []
    for pool in pools:
        start, end = parse_address(pool["start"], "allocation_pools"), parse_address(pool["end"], "allocation_pools")
        if start.version != network.version or end.version != network.version or int(end) < int(start):
            raise InvalidInput(reason=f"The allocation pool {start}-{end} is not valid.")
        if not (usable(start, network) and usable(end, network)):
            raise InvalidInput(reason=f"The allocation pool {start}-{end} spans beyond the subnet cidr {network}.")
        if gateway is not None and int(start) <= int(gateway) <= int(end):
            raise GatewayConflict(ip_address=gateway, pool=f"{start}-{end}")
        ranges.append((start, end))
    ranges.sort(key=lambda item: int(item[0]))
    for (first, first_end), (second, second_end) in itertools.pairwise(ranges):
        if int(second) <= int(first_end):
            raise InvalidInput(
                reason=f"Found overlapping allocation pools: {first}-{first_end} {second}-{second_end} for subnet {network}."
            )
    return [{"start": str(start), "end": str(end)} for start, end in ranges]


def choose_free(pools: Iterable[Pool], used: set[str], choices: int = CHOICES) -> str | None:
    """One of the first few free addresses of the pools; None when all are taken."""
    taken = {int(ipaddress.ip_address(address)) for address in used}
    free: list[str] = []
    for pool in pools:
        start, end = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
        number = int(start)
        while number <= int(end) and len(free) < choices:
            if number not in taken:
                free.append(str(type(start)(number)))
            number += 1
        if len(free) >= choices:
            break
    return secrets.choice(free) if free else None


def address_from_mac(network: IPNetwork, mac: str) -> str:
    """The address that a host makes for itself in an IPv6 range (modified EUI-64)."""
    parts = [int(part, 16) for part in mac.split(":")]
    parts[0] ^= 0x02
    suffix = int.from_bytes(bytes([*parts[:3], 0xFF, 0xFE, *parts[3:]]), "big")
    return str(network[0] + suffix)


def random_mac(prefix: str) -> str:
    """A MAC that begins with the cloud's prefix."""
    return prefix.lower() + "".join(f":{byte:02x}" for byte in secrets.token_bytes(6 - len(prefix.split(":"))))


def in_pools(address: str, pools: Iterable[Pool]) -> bool:
    number = int(ipaddress.ip_address(address))
    return any(int(ipaddress.ip_address(pool["start"])) <= number <= int(ipaddress.ip_address(pool["end"])) for pool in pools)
