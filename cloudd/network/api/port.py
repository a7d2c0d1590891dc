"""/v2.0/ports."""

from __future__ import annotations

from typing import Any

import msgspec

from cloudd.kit.auth import Context
from cloudd.kit.web import route
from cloudd.network.api.query import AnyRequest, Links, common, fields_of, listing, query_of
from cloudd.network.domain.port import PortDetail, Ports
from cloudd.network.domain.port_spec import PortCreate, PortUpdate
from cloudd.network.errors import InvalidInput


class PortCreateRequest(msgspec.Struct):
    """One, or several at once."""

    port: PortCreate | None = None
    ports: list[PortCreate] | None = None


class PortUpdateRequest(msgspec.Struct):
    port: PortUpdate


def view(ctx: Context, detail: PortDetail) -> dict[str, Any]:
    port = detail.port
    shown = {
        **common(port, detail.tags),
        "name": port.name,
        "network_id": port.network_id,
        "admin_state_up": port.admin_state_up,
        "status": port.status,
        "mac_address": port.mac_address,
        "fixed_ips": [{"subnet_id": item.subnet_id, "ip_address": item.ip_address} for item in detail.addresses],
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "security_groups": detail.group_ids,
        "port_security_enabled": port.port_security_enabled,
        "allowed_address_pairs": port.allowed_address_pairs,
        "extra_dhcp_opts": port.extra_dhcp_opts,
        "binding:vnic_type": port.binding_vnic_type,
        "revision_number": port.revision,
    }
    if ctx.is_admin:
        bound = bool(port.binding_host)
        shown["binding:host_id"] = port.binding_host
        moving = {"migrating_to": port.binding_destination} if port.binding_destination else {}
        shown["binding:profile"] = port.binding_profile | moving
        shown["binding:vif_type"] = "ovs" if bound else "unbound"
        shown["binding:vif_details"] = {"port_filter": True, "bound_drivers": {"0": "ovn"}} if bound else {}
    return shown


@route("GET", "/v2.0/ports", rule="network:get_port")
async def list_ports(ctx: Context, request: AnyRequest, ports: Ports, links: Links) -> dict[str, Any]:
    found = await ports.page(ctx, query_of(request, ports))
    return listing(request, links, "ports", [view(ctx, detail) for detail in found])


@route("POST", "/v2.0/ports", rule="network:create_port", status=201)
async def create_port(ctx: Context, data: PortCreateRequest, ports: Ports) -> dict[str, Any]:
    if data.ports is not None:
        return {"ports": [view(ctx, detail) for detail in await ports.create(ctx, data.ports)]}
    if data.port is None:
        raise InvalidInput(reason="Resource body required", type_name="HTTPBadRequest")
    return {"port": view(ctx, (await ports.create(ctx, [data.port]))[0])}


@route("GET", "/v2.0/ports/{port_id:str}", rule="network:get_port")
async def show_port(ctx: Context, request: AnyRequest, port_id: str, ports: Ports) -> dict[str, Any]:
    return {"port": fields_of(request, view(ctx, await ports.get(ctx, port_id)))}


@route("PUT", "/v2.0/ports/{port_id:str}", rule="network:update_port")
async def update_port(ctx: Context, port_id: str, data: PortUpdateRequest, ports: Ports) -> dict[str, Any]:
    return {"port": view(ctx, await ports.update(ctx, port_id, data.port))}


@route("DELETE", "/v2.0/ports/{port_id:str}", rule="network:delete_port", status=204)
async def delete_port(ctx: Context, port_id: str, ports: Ports) -> None:
    await ports.delete(ctx, port_id)
