"""/v2.1/os-availability-zone."""

from typing import Any

from cloudd.compute.domain.host import Hosts
from cloudd.kit.clock import iso_micro
from cloudd.kit.web import route


@route("GET", "/v2.1/os-availability-zone", rule="compute:availability_zones")
async def list_zones(hosts: Hosts) -> dict[str, Any]:
    zones = await hosts.zones()
    return {
        "availabilityZoneInfo": [
            {"zoneName": name, "zoneState": {"available": any(host.is_enabled and hosts.is_up(host) for host in members)}, "hosts": None}
            for name, members in sorted(zones.items())
        ]
    }


@route("GET", "/v2.1/os-availability-zone/detail", rule="compute:availability_zones:detail")
async def list_zones_detail(hosts: Hosts) -> dict[str, Any]:
    zones = await hosts.zones()
    return {
        "availabilityZoneInfo": [
            {
                "zoneName": name,
                "zoneState": {"available": any(host.is_enabled and hosts.is_up(host) for host in members)},
                "hosts": {
                    host.name: {
                        "nova-compute": {
                            "active": host.is_enabled,
                            "available": hosts.is_up(host),
                            "updated_at": iso_micro(host.seen_at),
                        }
                    }
                    for host in members
                },
            }
            for name, members in sorted(zones.items())
        ]
    }
