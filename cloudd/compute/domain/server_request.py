"""What a user asks for when making a server, after the API has read it and before anything is looked up."""

from typing import Any, Literal

import msgspec


class BlockDeviceRequest(msgspec.Struct, kw_only=True):
    """One disk, as block_device_mapping_v2 says it."""

    source_type: Literal["image", "volume", "snapshot", "blank"]
    destination_type: Literal["local", "volume"]
    source_id: str | None = None
    boot_index: int | None = None
    size_gib: int | None = None
    device_name: str | None = None
    bus: str | None = None
    delete_on_termination: bool = False
    is_swap: bool = False
    tag: str | None = None
    volume_type: str | None = None


class NicRequest(msgspec.Struct, kw_only=True):
    """One NIC: a network, or a port that is there already."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


class ServerRequest(msgspec.Struct, kw_only=True):
    """Names and ids are as the user gave them. `networks` None is "whatever the project has", upstream before 2.37."""

    name: str
    flavor_id: str
    image_id: str | None = None
    networks: list[NicRequest] | Literal["auto", "none"] | None = None
    block_devices: list[BlockDeviceRequest] = []
    key_name: str | None = None
    user_data: str | None = None
    config_drive: bool = False
    metadata: dict[str, str] = {}
    tags: list[str] = []
    security_groups: list[str] | None = None
    description: str | None = None
    hostname: str | None = None
    availability_zone: str | None = None
    host: str | None = None
    admin_password: str
    access_ipv4: str = ""
    access_ipv6: str = ""
    disk_config: str = "MANUAL"
    min_count: int = 1
    max_count: int = 1
    scheduler_hints: dict[str, Any] = {}
