"""The body of "create server", and what it says in the domain's words."""

import base64
import binascii
import ipaddress
import secrets
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from cloudd.compute.api.shapes import Count, Key, Metadata, Name, Tag, Truth, field_since, truth
from cloudd.compute.domain.server_request import BlockDeviceRequest, NicRequest, ServerRequest
from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest

_LARGEST_USER_DATA = 65535
HostName = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-_.]*$")]


class NetworkBody(msgspec.Struct, forbid_unknown_fields=True):
    uuid: str | None = None
    port: str | None = None
    fixed_ip: str | None = None
    tag: Tag | UnsetType = UNSET


class BlockDeviceBody(msgspec.Struct, forbid_unknown_fields=True):
    source_type: Literal["volume", "image", "snapshot", "blank"] = "volume"
    destination_type: Literal["local", "volume"] | None = None
    uuid: str | None = None
    boot_index: Count | None = None
    volume_size: Count | None = None
    device_name: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    disk_bus: str | None = None
    device_type: str | None = None
    guest_format: str | None = None
    delete_on_termination: Truth = False
    no_device: Truth | None = None
    tag: Tag | UnsetType = UNSET
    volume_type: str | UnsetType | None = UNSET


class LegacyBlockDeviceBody(msgspec.Struct):
    """block_device_mapping, the form before v2."""

    volume_id: str | None = None
    snapshot_id: str | None = None
    device_name: str | None = None
    volume_size: Count | None = None
    delete_on_termination: Truth = False


class SecurityGroupBody(msgspec.Struct):
    name: Key


class ServerBody(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    flavor: str | int = msgspec.field(name="flavorRef")
    image: str = msgspec.field(name="imageRef", default="")
    admin_password: str | None = msgspec.field(name="adminPass", default=None)
    metadata: Metadata = {}
    networks: list[NetworkBody] | Literal["auto", "none"] | UnsetType = UNSET
    disk_config: Literal["AUTO", "MANUAL"] = msgspec.field(name="OS-DCF:diskConfig", default="MANUAL")
    access_ipv4: str = msgspec.field(name="accessIPv4", default="")
    access_ipv6: str = msgspec.field(name="accessIPv6", default="")
    personality: list[dict[str, str]] | UnsetType = UNSET
    availability_zone: Key | None = None
    block_devices: list[BlockDeviceBody] = msgspec.field(name="block_device_mapping_v2", default_factory=list)
    legacy_block_devices: list[LegacyBlockDeviceBody] = msgspec.field(name="block_device_mapping", default_factory=list)
    config_drive: Truth | None = None
    key_name: Key | None = None
    min_count: Count | None = None
    max_count: Count | None = None
    return_reservation_id: Truth = False
    security_groups: list[SecurityGroupBody] | UnsetType = UNSET
    user_data: str | None = None
    description: Annotated[str, msgspec.Meta(max_length=255)] | UnsetType | None = UNSET
    tags: Annotated[list[Tag], msgspec.Meta(max_length=50)] | UnsetType = UNSET
    trusted_image_certificates: list[str] | UnsetType | None = UNSET
    host: HostName | UnsetType = UNSET
    hypervisor_hostname: HostName | UnsetType = UNSET
    hostname: HostName | UnsetType = UNSET


class ServerCreateRequest(msgspec.Struct, forbid_unknown_fields=True):
    server: ServerBody
    hints: dict[str, Any] = msgspec.field(name="os:scheduler_hints", default_factory=dict)
    old_hints: dict[str, Any] = msgspec.field(name="OS-SCH-HNT:scheduler_hints", default_factory=dict)


def server_request(ctx: Context, data: ServerCreateRequest) -> ServerRequest:
    """BadRequest for what no server can be made of."""
    body = data.server
    _check_version(ctx, body)
    minimum, maximum = _counts(body)
    zone, host = _place(ctx, body)
    return ServerRequest(
        name=body.name.strip(),
        flavor_id=str(body.flavor).rsplit("/", 1)[-1],
        image_id=_image(body.image),
        networks=_networks(ctx, body),
        block_devices=[_device(ctx, device) for device in body.block_devices] + [_legacy(device) for device in body.legacy_block_devices],
        key_name=body.key_name,
        user_data=_user_data(body.user_data),
        config_drive=truth(body.config_drive, "config_drive"),
        metadata=body.metadata,
        tags=[] if body.tags is UNSET else body.tags,
        security_groups=None
        if body.security_groups is UNSET
        else list(dict.fromkeys(group.name for group in body.security_groups)) or None,
        description=body.name if ctx.version < (2, 19) else None if body.description is UNSET else body.description,
        hostname=None if body.hostname is UNSET else body.hostname,
        availability_zone=zone,
        host=host,
        admin_password=body.admin_password or secrets.token_urlsafe(9),
        access_ipv4=address(body.access_ipv4, 4),
        access_ipv6=address(body.access_ipv6, 6),
        disk_config=body.disk_config,
        min_count=minimum,
        max_count=maximum,
        scheduler_hints=data.hints or data.old_hints,
    )


def _check_version(ctx: Context, body: ServerBody) -> None:
    field_since(ctx, 19, body, "description")
    field_since(ctx, 52, body, "tags")
    field_since(ctx, 63, body, "trusted_image_certificates")
    field_since(ctx, 74, body, "host", "hypervisor_hostname")
    field_since(ctx, 90, body, "hostname")
    if body.personality is not UNSET and (body.personality or ctx.version >= (2, 57)):
        raise BadRequest(reason="personality (file injection) is not served; give the files in user_data.")
    if body.trusted_image_certificates not in (UNSET, None):
        raise BadRequest(reason="trusted_image_certificates are not served: images are checked by their checksum.")
    for device in body.block_devices:
        field_since(ctx, 32, device, "tag")
        field_since(ctx, 67, device, "volume_type")


def _counts(body: ServerBody) -> tuple[int, int]:
    minimum = int(body.min_count) if body.min_count is not None else 1
    maximum = int(body.max_count) if body.max_count is not None else max(minimum, 1)
    if minimum < 1 or maximum < 1:
        raise BadRequest(reason="min_count and max_count must be at least 1.")
    if minimum > maximum:
        raise BadRequest(reason="min_count must be <= max_count")
    return minimum, maximum


def _place(ctx: Context, body: ServerBody) -> tuple[str | None, str | None]:
    """Zone and host; the form zone:host is an administrator's."""
    zone, host = body.availability_zone, None
    if zone is not None and ":" in zone:
        zone, _, host = zone.partition(":")
        host = host.partition(":")[0] or None
    for asked in (body.host, body.hypervisor_hostname):
        if asked is not UNSET:
            host = asked
    if host is not None and not ctx.is_admin:
        raise BadRequest(reason="Only an administrator chooses the host.")
    return zone or None, host


def _image(reference: str) -> str | None:
    if not reference:
        return None
    return uuid_text(reference.rsplit("/", 1)[-1], "Invalid imageRef provided.")


def _networks(ctx: Context, body: ServerBody) -> list[NicRequest] | Literal["auto", "none"] | None:
    if body.networks is UNSET:
        if ctx.version >= (2, 37):
            raise BadRequest(reason="'networks' is a required property")
        return None
    if isinstance(body.networks, str):
        if ctx.version < (2, 37):
            raise BadRequest(reason="networks as a word needs microversion 2.37.")
        return body.networks
    nics = []
    for network in body.networks:
        field_since(ctx, 32, network, "tag")
        if not network.uuid and not network.port:
            raise BadRequest(reason="Bad networks format: each needs a uuid or a port.")
        nics.append(
            NicRequest(
                network_id=uuid_text(network.uuid, "Bad networks format: network uuid is not in proper format") if network.uuid else None,
                port_id=uuid_text(network.port, "Bad networks format: port is not in proper format") if network.port else None,
                fixed_ip=address(network.fixed_ip) if network.fixed_ip else None,
                tag=None if network.tag is UNSET else network.tag,
            )
        )
    return nics or None


def _device(ctx: Context, body: BlockDeviceBody) -> BlockDeviceRequest:
    # Upstream's default: what comes from an image or from nothing is local.
    destination: Literal["local", "volume"] = body.destination_type or ("local" if body.source_type in ("image", "blank") else "volume")
    size = int(body.volume_size) if body.volume_size is not None else None
    if size is not None and size < (0 if body.source_type == "volume" else 1):
        raise BadRequest(reason=f"Invalid input for field/attribute volume_size. Value: {size}. It must be at least 1.")
    return BlockDeviceRequest(
        source_type=body.source_type,
        destination_type=destination,
        source_id=uuid_text(body.uuid, "Block Device Mapping is Invalid: uuid is not in proper format") if body.uuid else None,
        boot_index=int(body.boot_index) if body.boot_index is not None else None,
        size_gib=size,
        device_name=body.device_name,
        bus=body.disk_bus,
        delete_on_termination=truth(body.delete_on_termination, "delete_on_termination"),
        is_swap=body.guest_format == "swap",
        tag=None if body.tag is UNSET else body.tag,
        volume_type=None if body.volume_type is UNSET else body.volume_type,
    )


def _legacy(body: LegacyBlockDeviceBody) -> BlockDeviceRequest:
    return BlockDeviceRequest(
        source_type="snapshot" if body.snapshot_id else "volume",
        destination_type="volume",
        source_id=body.snapshot_id or body.volume_id,
        boot_index=0 if (body.device_name or "").endswith("vda") else None,
        size_gib=int(body.volume_size) if body.volume_size is not None else None,
        device_name=body.device_name,
        delete_on_termination=truth(body.delete_on_termination, "delete_on_termination"),
    )


def _user_data(text: str | None) -> str | None:
    if not text:
        return None
    if len(text) > _LARGEST_USER_DATA:
        raise BadRequest(reason=f"User data too large: it must be at most {_LARGEST_USER_DATA} bytes once encoded.")
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(reason="Userdata content cannot be decoded; give it in base64.") from None
    return text


def uuid_text(text: str, complaint: str) -> str:
    """A uuid in its usual form. BadRequest with that complaint."""
    try:
        return str(UUID(text))
    except ValueError:
        raise BadRequest(reason=f"{complaint} ({text})") from None


def address(text: str, version: int | None = None) -> str:
    """An IP address in its canonical form; empty stays empty. BadRequest."""
    if not text:
        return ""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        raise BadRequest(reason=f"{text} is not a valid IP address.") from None
    if version is not None and parsed.version != version:
        raise BadRequest(reason=f"{text} is not a valid IPv{version} address.")
    return str(parsed)
