"""The fake cloud's servers, flavors and keypairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openstack.compute.v2.flavor import Flavor
from openstack.compute.v2.keypair import Keypair
from openstack.compute.v2.server import Server
from openstack.compute.v2.server_action import ServerAction
from openstack.compute.v2.service import Service
from openstack.compute.v2.volume_attachment import VolumeAttachment

from .shelf import Shelf


class FakeServer(Server):
    """A server whose metadata and tags go to the fake cloud instead of over HTTP."""

    def replace_metadata(self, session: Any, metadata: Any = None) -> Any:
        session.keep(self.id, "metadata", metadata)
        return self

    def set_tags(self, session: Any, tags: Any) -> Any:
        session.keep(self.id, "tags", tags)
        return self


class FakeCompute:
    """Stands where connection.compute does. A server named `broken` ends in ERROR."""

    def __init__(self, cloud: Any) -> None:
        self.__cloud = cloud
        self.__servers = Shelf(FakeServer)
        self.__flavors = Shelf(Flavor)
        self.__keypairs = Shelf(Keypair)
        self.__count = 0
        up = {"status": "enabled", "state": "up", "disabled_reason": None, "forced_down": False, "availability_zone": "nova"}
        self.__hosts = {"compute1": dict(up), "compute2": dict(up)}
        self.__before_move: dict[str, str] = {}

    def add_flavor(self, name: str, disk: int) -> None:
        """Have a flavor from the start."""
        self.__flavors.put(f"flavor-{name}", name=name, disk=disk)

    def add_keypair(self, name: str) -> None:
        """Have a keypair from the start."""
        self.__keypairs.put(name, name=name)

    def keep(self, server_id: str, aspect: str, value: Any) -> None:
        """Hold an attribute of a server."""
        self.__cloud.calls.append(f"set_{aspect}")
        self.__servers.kept[server_id][aspect] = value

    def find_flavor(self, name_or_id: str, ignore_missing: bool = True) -> Any:
        return self.__flavors.find(name_or_id, ignore_missing)

    def flavors(self) -> Iterator[Any]:
        return self.__flavors.all()

    def find_keypair(self, name_or_id: str, ignore_missing: bool = True) -> Any:
        return self.__keypairs.find(name_or_id, ignore_missing)

    def keypairs(self) -> Iterator[Any]:
        return self.__keypairs.all()

    def find_server(self, name_or_id: str, ignore_missing: bool = True) -> Any:
        return self.__servers.find(name_or_id, ignore_missing)

    def get_server(self, server: str) -> Any:
        return self.__servers.get(server)

    def servers(self, details: bool = True, all_projects: bool = False, **query: Any) -> Iterator[Any]:
        """As the SDK: what is no parameter of the request is compared with the answer's attribute of that name."""
        return (server for server in self.__servers.all() if all(getattr(server, name) == value for name, value in query.items()))

    def create_server(self, **attrs: Any) -> Any:
        self.__cloud.calls.append("create_server")
        self.__count += 1
        server_id = f"server-{self.__count}"
        self.__add_ports(server_id, attrs)
        volumes = [self.__boot_volume(server_id, device) for device in attrs.get("block_device_mapping", [])]
        self.__servers.put(
            server_id,
            name=attrs["name"],
            status="BUILD",
            task_state="spawning",
            flavor={"original_name": self.__flavors.get(attrs["flavor_id"]).name},
            image={"id": attrs["image_id"]} if attrs.get("image_id") else "",
            key_name=attrs.get("key_name"),
            availability_zone=attrs.get("availability_zone", "nova"),
            config_drive=attrs.get("config_drive", ""),
            description=attrs.get("description"),
            metadata=attrs.get("metadata", {}),
            tags=[],
            attached_volumes=[{"id": volume_id} for volume_id in volumes],
            project_id="project-1",
            compute_host=self.__free_host(),
        )
        fault = {"status": "ERROR", "fault": {"message": "No valid host was found."}} if attrs["name"] == "broken" else {"status": "ACTIVE"}
        self.__servers.later(server_id, task_state=None, **fault)
        return self.__servers.fresh(server_id)

    def __add_ports(self, server_id: str, attrs: dict[str, Any]) -> None:
        requests = [{"uuid": "net-private"}] if attrs["networks"] == "auto" else [] if attrs["networks"] == "none" else attrs["networks"]
        groups = [group["name"] for group in attrs.get("security_groups", [])]
        for request in requests:
            if "port" in request:
                self.__cloud.network.update_port(request["port"], device_id=server_id)
            else:
                self.__cloud.network.add_port(request["uuid"], server_id, request.get("fixed_ip"), groups)

    def __boot_volume(self, server_id: str, device: dict[str, Any]) -> str:
        if device["source_type"] == "volume":
            volume_id = str(device["uuid"])
        else:
            volume_id = str(self.__cloud.block_storage.create_volume(name="", size=device["volume_size"], image_id=device["uuid"]).id)
        self.__cloud.block_storage.set_attachment(volume_id, server_id)
        return volume_id

    def delete_server(self, server: str, ignore_missing: bool = True) -> None:
        self.__cloud.calls.append("delete_server")
        self.__servers.kept[server]["task_state"] = "deleting"
        self.__servers.vanish_later(server)
        for port in list(self.__cloud.network.ports(device_id=server)):
            self.__cloud.network.drop_port(port.id)

    def update_server(self, server: str, **attrs: Any) -> Any:
        self.__cloud.calls.append("update_server")
        self.__servers.kept[server].update(attrs)
        return self.__servers.get(server)

    def __power(self, server: str, verb: str, status: str) -> None:
        self.__cloud.calls.append(verb)
        self.__servers.kept[server]["task_state"] = verb
        self.__servers.later(server, status=status, task_state=None)

    def start_server(self, server: str) -> None:
        self.__power(server, "start_server", "ACTIVE")

    def stop_server(self, server: str) -> None:
        self.__power(server, "stop_server", "SHUTOFF")

    def pause_server(self, server: str) -> None:
        self.__power(server, "pause_server", "PAUSED")

    def unpause_server(self, server: str) -> None:
        self.__power(server, "unpause_server", "ACTIVE")

    def reboot_server(self, server: str, reboot_type: str) -> None:
        self.__power(server, f"reboot_server {reboot_type}", "ACTIVE")

    def resize_server(self, server: str, flavor: str) -> None:
        self.__power(server, "resize_server", "VERIFY_RESIZE")
        self.__servers.kept[server]["flavor"] = {"original_name": self.__flavors.get(flavor).name}

    def confirm_server_resize(self, server: str) -> None:
        self.__power(server, "confirm_server_resize", self.__before_move.get(server, "ACTIVE"))

    def __free_host(self, besides: str = "") -> str:
        return next(name for name, facts in self.__hosts.items() if facts["status"] == "enabled" and name != besides)

    def migrate_server(self, server: str, host: str | None = None) -> None:
        self.__move(server, "migrate_server", host, "VERIFY_RESIZE")

    def live_migrate_server(self, server: str, host: str | None = None) -> None:
        self.__move(server, "live_migrate_server", host, self.__servers.kept[server]["status"])

    def evacuate_server(self, server: str, host: str | None = None) -> None:
        self.__move(server, "evacuate_server", host, "SHUTOFF")

    def __move(self, server: str, verb: str, host: str | None, status: str) -> None:
        """An instance named `stuck` goes nowhere."""
        kept = self.__servers.kept[server]
        self.__before_move[server] = kept["status"]
        self.__power(server, verb, status)
        if kept["name"] == "stuck":
            self.__servers.later(server, status=kept["status"], task_state=None)
        else:
            self.__servers.later(server, compute_host=host or self.__free_host(kept["compute_host"]), status=status, task_state=None)

    def server_actions(self, server: str) -> Iterator[Any]:
        return iter([ServerAction.existing(request_id="req-1")])

    def get_server_action(self, server_action: str, server: str) -> Any:
        return ServerAction.existing(request_id=server_action, events=[{"details": "No valid host was found."}])

    def services(self, **query: Any) -> Iterator[Any]:
        return (Service.existing(id=f"service-{name}", host=name, binary="nova-compute", **facts) for name, facts in self.__hosts.items())

    def enable_service(self, service: str) -> None:
        self.__cloud.calls.append("enable_service")
        self.__hosts[service.removeprefix("service-")].update(status="enabled", disabled_reason=None)

    def disable_service(self, service: str, disabled_reason: str | None = None) -> None:
        self.__cloud.calls.append("disable_service")
        self.__hosts[service.removeprefix("service-")].update(status="disabled", disabled_reason=disabled_reason)

    def update_service_forced_down(self, service: str, forced: bool = True) -> None:
        self.__cloud.calls.append(f"forced_down {forced}")
        self.__hosts[service.removeprefix("service-")].update(forced_down=forced, state="down" if forced else "up")

    def create_server_interface(self, server: str, **attrs: Any) -> Any:
        self.__cloud.calls.append("create_server_interface")
        if "port_id" in attrs:
            return self.__cloud.network.update_port(attrs["port_id"], device_id=server)
        fixed_ips = attrs.get("fixed_ips") or [{"ip_address": None}]
        return self.__cloud.network.add_port(attrs["net_id"], server, fixed_ips[0]["ip_address"])

    def delete_server_interface(self, server_interface: str, server: str | None = None) -> None:
        self.__cloud.calls.append("delete_server_interface")
        self.__cloud.network.drop_port(server_interface)

    def volume_attachments(self, server: Any) -> Iterator[Any]:
        volumes = self.__servers.get(server).attached_volumes
        names = (f"/dev/vd{letter}" for letter in "abcdefgh")
        return (VolumeAttachment.existing(volume_id=volume.id, device=device) for volume, device in zip(volumes, names, strict=False))

    def create_volume_attachment(self, server: str, volume: str, **attrs: Any) -> Any:
        self.__cloud.calls.append("create_volume_attachment")
        self.__servers.kept[server]["attached_volumes"] = [*self.__servers.kept[server]["attached_volumes"], {"id": volume}]
        self.__cloud.block_storage.set_attachment(volume, server)
        return VolumeAttachment.existing(volume_id=volume)

    def delete_volume_attachment(self, server: str, volume: str) -> None:
        self.__cloud.calls.append("delete_volume_attachment")
        left = [one for one in self.__servers.kept[server]["attached_volumes"] if one["id"] != volume]
        self.__servers.kept[server]["attached_volumes"] = left
        self.__cloud.block_storage.set_attachment(volume, None)
