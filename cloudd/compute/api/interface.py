"""/v2.1/servers/{id}/os-interface."""

from typing import Any

import msgspec
from litestar import Response
from msgspec import UNSET, UnsetType

from cloudd.compute.api.server_body import address, uuid_text
from cloudd.compute.api.shapes import Tag, field_since
from cloudd.compute.domain.interface import Interfaces
from cloudd.compute.domain.server_request import NicRequest
from cloudd.kit.auth import Context
from cloudd.kit.errors import BadRequest
from cloudd.kit.web import route
from cloudd.network.client import PortView


class FixedIp(msgspec.Struct, forbid_unknown_fields=True):
    ip_address: str


class InterfaceCreate(msgspec.Struct, forbid_unknown_fields=True):
    network_id: str | None = msgspec.field(name="net_id", default=None)
    port_id: str | None = None
    fixed_ips: list[FixedIp] = []
    tag: Tag | UnsetType = UNSET


class InterfaceCreateRequest(msgspec.Struct, forbid_unknown_fields=True):
    interface: InterfaceCreate = msgspec.field(name="interfaceAttachment", default_factory=InterfaceCreate)


def interface_view(ctx: Context, port: PortView, tag: str | None) -> dict[str, Any]:
    view: dict[str, Any] = {
        "port_id": port.port_id,
        "net_id": port.network_id,
        "mac_addr": port.mac_address,
        "port_state": port.status,
        "fixed_ips": [{"subnet_id": fixed.subnet_id, "ip_address": fixed.ip_address} for fixed in port.fixed_ips],
    }
    return {**view, "tag": tag} if ctx.version >= (2, 70) else view


@route("GET", "/v2.1/servers/{server_id:str}/os-interface", rule="compute:servers:show")
async def list_interfaces(ctx: Context, interfaces: Interfaces, server_id: str) -> dict[str, Any]:
    return {"interfaceAttachments": [interface_view(ctx, port, tag) for port, tag in await interfaces.list(ctx, server_id)]}


@route("POST", "/v2.1/servers/{server_id:str}/os-interface", rule="compute:servers:interfaces", status=200)
async def create_interface(ctx: Context, interfaces: Interfaces, server_id: str, data: InterfaceCreateRequest) -> dict[str, Any]:
    wanted = data.interface
    field_since(ctx, 49, wanted, "tag")
    if wanted.network_id and wanted.port_id:
        raise BadRequest(reason="Must not input both network_id and port_id")
    if wanted.fixed_ips and not wanted.network_id:
        raise BadRequest(reason="Must input network_id when request IP address")
    if len(wanted.fixed_ips) > 1:
        raise BadRequest(reason="Give one fixed IP; a port with several is made at the network service.")
    nic = NicRequest(
        network_id=uuid_text(wanted.network_id, "Invalid net_id.") if wanted.network_id else None,
        port_id=uuid_text(wanted.port_id, "Invalid port_id.") if wanted.port_id else None,
        fixed_ip=address(wanted.fixed_ips[0].ip_address) if wanted.fixed_ips else None,
        tag=None if wanted.tag is UNSET else wanted.tag,
    )
    port, tag = await interfaces.attach(ctx, server_id, nic)
    return {"interfaceAttachment": interface_view(ctx, port, tag)}


@route("GET", "/v2.1/servers/{server_id:str}/os-interface/{port_id:str}", rule="compute:servers:show")
async def show_interface(ctx: Context, interfaces: Interfaces, server_id: str, port_id: str) -> dict[str, Any]:
    return {"interfaceAttachment": interface_view(ctx, *await interfaces.get(ctx, server_id, port_id))}


@route("DELETE", "/v2.1/servers/{server_id:str}/os-interface/{port_id:str}", rule="compute:servers:interfaces", status=202)
async def delete_interface(ctx: Context, interfaces: Interfaces, server_id: str, port_id: str) -> Response[None]:
    await interfaces.detach(ctx, server_id, port_id)
    return Response(None, status_code=202)
