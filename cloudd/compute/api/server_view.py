"""A server as each microversion shows it."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from cloudd.compute.api.shapes import Links
from cloudd.compute.domain.host import Hosts
from cloudd.compute.domain.server import Servers
from cloudd.compute.domain.server_network import ServerNetwork
from cloudd.compute.domain.server_state import ERROR, shows_progress, status_of
from cloudd.compute.drivers.base import domain_name
from cloudd.compute.store.block_device import BlockDevice
from cloudd.compute.store.host import Host
from cloudd.compute.store.server import FlavorFacts, Server
from cloudd.kit.auth import Context
from cloudd.kit.clock import iso_micro, iso_z
from cloudd.network.client import PortView


class Surroundings(msgspec.Struct):
    """What a server's view needs beside its row, for many servers at once."""

    ports: dict[str, list[PortView]] = {}
    groups: dict[str, list[str]] = {}
    disks: dict[str, list[BlockDevice]] = {}
    hosts: dict[str, Host] = {}


class ServerViews:
    def __init__(self, servers: Servers, network: ServerNetwork, hosts: Hosts, links: Links) -> None:
        self.servers = servers
        self.network = network
        self.hosts = hosts
        self.links = links

    async def surroundings(self, ctx: Context, servers: Sequence[Server]) -> Surroundings:
        """One look-up of each kind, however many servers."""
        ids = [server.id for server in servers]
        ports = await self.network.views(ids) if ids else {}
        hosts = {host.name: host for host in await self.hosts.everyone()} if ctx.is_admin else {}
        return Surroundings(ports, await self.network.security_groups(ports), await self.servers.disks(ids), hosts)

    def brief(self, server: Server) -> dict[str, Any]:
        """id, name, links."""
        return {"id": server.id, "name": server.name, "links": self.links.of("servers", server.id)}

    async def one(self, ctx: Context, server: Server, **more: Any) -> dict[str, Any]:
        """The whole answer to "show"."""
        return {**self.view(ctx, server, await self.surroundings(ctx, [server]), single=True), **more}

    async def after_change(self, ctx: Context, server: Server, **more: Any) -> dict[str, Any]:
        """The answer to update and rebuild: less than "show" before 2.75."""
        around = await self.surroundings(ctx, [server])
        view = self.view(ctx, server, around, single=True)
        if ctx.version < (2, 75):
            kept = {*self._core(ctx, server, around), *self._by_version(ctx, server, single=True), "progress", "fault"}
            view = {key: value for key, value in view.items() if key in kept}
            view["addresses"] = {name: [_plain(entry) for entry in entries] for name, entries in view["addresses"].items()}
        return {**view, **more}

    def view(self, ctx: Context, server: Server, around: Surroundings, *, single: bool) -> dict[str, Any]:
        """Everything that this caller may see at this microversion; `single` answers show a little more than lists."""
        return {
            **self._core(ctx, server, around),
            **self._extended(server, around),
            **self._by_version(ctx, server, single=single),
            **self._volumes(ctx, around.disks.get(server.id, [])),
            **self._state(server),
            **(self._operator(ctx, server, around) if ctx.is_admin else {}),
            **({"OS-EXT-SRV-ATTR:hostname": server.hostname} if ctx.version >= (2, 90) else {}),
        }

    def _core(self, ctx: Context, server: Server, around: Surroundings) -> dict[str, Any]:
        place = f"{server.project_id}{server.host}"
        image = {"id": server.image_id, "links": self.links.bookmark("images", server.image_id)} if server.image_id else ""
        return {
            **self.brief(server),
            "status": status_of(server),
            "tenant_id": server.project_id,
            "user_id": server.user_id,
            "metadata": server.metadata,
            "hostId": hashlib.sha224(place.encode()).hexdigest() if server.host else "",
            "image": image,
            "flavor": self._flavor(ctx, server.flavor),
            "created": iso_z(server.created_at),
            "updated": iso_z(server.updated_at),
            "addresses": addresses_view(around.ports.get(server.id, [])),
            "accessIPv4": server.access_ipv4,
            "accessIPv6": server.access_ipv6,
            "OS-DCF:diskConfig": server.disk_config,
        }

    def _flavor(self, ctx: Context, flavor: FlavorFacts) -> dict[str, Any]:
        if ctx.version < (2, 47):
            return {"id": flavor.id, "links": self.links.bookmark("flavors", flavor.id)}
        return {
            "vcpus": flavor.vcpus,
            "ram": flavor.memory_mib,
            "disk": flavor.disk_gib,
            "ephemeral": flavor.ephemeral_gib,
            "swap": flavor.swap_mib,
            "original_name": flavor.name,
            "extra_specs": flavor.extra_specs,
        }

    def _extended(self, server: Server, around: Surroundings) -> dict[str, Any]:
        groups = around.groups.get(server.id) or ([] if around.ports.get(server.id) else server.security_groups)
        return {
            "key_name": server.key_name,
            "config_drive": "True" if server.config_drive else "",
            "security_groups": [{"name": name} for name in groups],
            "OS-EXT-AZ:availability_zone": server.availability_zone or "",
            "OS-SRV-USG:launched_at": iso_micro(server.launched_at),
            "OS-SRV-USG:terminated_at": iso_micro(server.deleted_at),
        }

    def _state(self, server: Server) -> dict[str, Any]:
        view: dict[str, Any] = {
            "OS-EXT-STS:task_state": server.task_state,
            "OS-EXT-STS:vm_state": server.vm_state,
            "OS-EXT-STS:power_state": server.power_state,
        }
        if shows_progress(status_of(server)):
            view["progress"] = 0 if server.task_state else 100
        if server.fault is not None and server.vm_state == ERROR:
            view["fault"] = {"code": server.fault.code, "created": server.fault.created, "message": server.fault.message}
        return view

    def _by_version(self, ctx: Context, server: Server, *, single: bool) -> dict[str, Any]:
        version = ctx.version
        view: dict[str, Any] = {}
        if version >= (2, 9):
            view["locked"] = server.locked_by is not None
        if version >= (2, 19):
            view["description"] = server.description
        if version >= (2, 26):
            view["tags"] = sorted(server.tags)
        if version >= (2, 63):
            view["trusted_image_certificates"] = None
        if version >= (2, 71) and single:
            view["server_groups"] = [server.server_group_id] if server.server_group_id else []
        if version >= (2, 73):
            view["locked_reason"] = server.locked_reason
        if version >= (2, 96):
            view["pinned_availability_zone"] = server.pinned_availability_zone
        return view

    def _volumes(self, ctx: Context, disks: list[BlockDevice]) -> dict[str, Any]:
        def one(disk: BlockDevice) -> dict[str, Any]:
            more = {"delete_on_termination": disk.delete_on_termination} if ctx.version >= (2, 3) else {}
            return {"id": disk.volume_id, **more}

        return {"os-extended-volumes:volumes_attached": [one(disk) for disk in disks if disk.volume_id]}

    def _operator(self, ctx: Context, server: Server, around: Surroundings) -> dict[str, Any]:
        view: dict[str, Any] = {
            "OS-EXT-SRV-ATTR:host": server.host,
            "OS-EXT-SRV-ATTR:hypervisor_hostname": server.host,
            "OS-EXT-SRV-ATTR:instance_name": domain_name(server.id),
        }
        if ctx.version >= (2, 3):
            roots = [disk.device for disk in around.disks.get(server.id, []) if disk.boot_index == 0]
            view |= {
                "OS-EXT-SRV-ATTR:hostname": server.hostname,
                "OS-EXT-SRV-ATTR:kernel_id": "",
                "OS-EXT-SRV-ATTR:launch_index": server.launch_index,
                "OS-EXT-SRV-ATTR:ramdisk_id": "",
                "OS-EXT-SRV-ATTR:reservation_id": server.reservation_id,
                "OS-EXT-SRV-ATTR:root_device_name": f"/dev/{roots[0]}" if roots else None,
                "OS-EXT-SRV-ATTR:user_data": server.user_data,
            }
        if ctx.version >= (2, 16):
            view["host_status"] = self._host_status(around.hosts.get(server.host or ""))
        return view

    def _host_status(self, host: Host | None) -> str:
        if host is None:
            return ""
        if not self.hosts.is_up(host):
            return "DOWN"
        return "UP" if host.is_enabled else "MAINTENANCE"


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    """An address without what extensions of the API add to it."""
    return {"version": entry["version"], "addr": entry["addr"]}


def addresses_view(ports: Sequence[PortView]) -> dict[str, list[dict[str, Any]]]:
    """Addresses by the network's name: fixed ones, each followed by its floating one."""
    addresses: dict[str, list[dict[str, Any]]] = {}
    for port in ports:
        entries = addresses.setdefault(port.network_name, [])
        for fixed in port.fixed_ips:
            for address, kind in ((fixed.ip_address, "fixed"), (port.floating_ips.get(fixed.ip_address), "floating")):
                if address is not None:
                    entries.append(
                        {
                            "version": 6 if ":" in address else 4,
                            "addr": address,
                            "OS-EXT-IPS:type": kind,
                            "OS-EXT-IPS-MAC:mac_addr": port.mac_address,
                        }
                    )
    return addresses
