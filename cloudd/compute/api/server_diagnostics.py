"""/v2.1/servers/{id}/diagnostics: what a running server's processors, disks and NICs have done."""

from typing import Any

from cloudd.compute.domain.server_diagnostics import ServerDiagnostics
from cloudd.compute.domain.usage import uptime_seconds
from cloudd.compute.drivers.base import Diagnostics, NicTraffic
from cloudd.compute.store.server import Server
from cloudd.kit.auth import Context
from cloudd.kit.web import route


@route("GET", "/v2.1/servers/{server_id:str}/diagnostics", rule="compute:servers:diagnostics")
async def show_diagnostics(ctx: Context, diagnostics: ServerDiagnostics, server_id: str) -> dict[str, Any]:
    server, found = await diagnostics.show(ctx, server_id)
    return _view(server, found) if ctx.version >= (2, 48) else _older_view(found)


def _view(server: Server, found: Diagnostics) -> dict[str, Any]:
    return {
        "state": "running",
        "driver": "libvirt",
        "hypervisor": found.hypervisor,
        "hypervisor_os": "linux",
        "uptime": uptime_seconds(server),
        "config_drive": server.config_drive,
        "num_cpus": len(found.cpu_nanoseconds),
        "num_disks": len(found.disks),
        "num_nics": len(found.nics),
        "cpu_details": [{"id": number, "time": time, "utilisation": None} for number, time in enumerate(found.cpu_nanoseconds)],
        "memory_details": {"maximum": found.memory_maximum_mib, "used": found.memory_used_mib},
        "disk_details": [
            {
                "read_bytes": disk.read_bytes,
                "read_requests": disk.read_requests,
                "write_bytes": disk.write_bytes,
                "write_requests": disk.write_requests,
                "errors_count": disk.errors,
            }
            for disk in found.disks
        ],
        "nic_details": [_nic(nic) for nic in found.nics],
    }


def _nic(nic: NicTraffic) -> dict[str, Any]:
    return {
        "mac_address": nic.mac_address,
        "rx_octets": nic.rx_bytes,
        "rx_packets": nic.rx_packets,
        "rx_errors": nic.rx_errors,
        "rx_drop": nic.rx_drop,
        "rx_rate": None,
        "tx_octets": nic.tx_bytes,
        "tx_packets": nic.tx_packets,
        "tx_errors": nic.tx_errors,
        "tx_drop": nic.tx_drop,
        "tx_rate": None,
    }


def _older_view(found: Diagnostics) -> dict[str, int]:
    """Before microversion 2.48: flat, by the devices' names, and memory in KiB."""
    view = {"cpu" + f"{number}_time": time for number, time in enumerate(found.cpu_nanoseconds)}
    view["memory"] = found.memory_maximum_mib << 10
    for disk in found.disks:
        name = disk.device
        view |= {f"{name}_read": disk.read_bytes, f"{name}_read_req": disk.read_requests}
        view |= {f"{name}_write": disk.write_bytes, f"{name}_write_req": disk.write_requests, f"{name}_errors": disk.errors}
    for nic in found.nics:
        name = nic.device
        view |= {f"{name}_rx": nic.rx_bytes, f"{name}_rx_packets": nic.rx_packets, f"{name}_rx_errors": nic.rx_errors}
        view |= {f"{name}_rx_drop": nic.rx_drop, f"{name}_tx": nic.tx_bytes, f"{name}_tx_packets": nic.tx_packets}
        view |= {f"{name}_tx_errors": nic.tx_errors, f"{name}_tx_drop": nic.tx_drop}
    return view
