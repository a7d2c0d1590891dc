"""/v2.1/servers/{id}/os-server-password: the password that a guest has encrypted for its owner's key."""

from typing import Any

from cloudd.compute.domain.server import Servers
from cloudd.kit.auth import Context
from cloudd.kit.web import route


@route("GET", "/v2.1/servers/{server_id:str}/os-server-password", rule="compute:servers:show")
async def show_server_password(ctx: Context, servers: Servers, server_id: str) -> dict[str, Any]:
    return {"password": (await servers.get(ctx, server_id)).sealed_password or ""}


@route("DELETE", "/v2.1/servers/{server_id:str}/os-server-password", rule="compute:servers:update", status=204)
async def clear_server_password(ctx: Context, servers: Servers, server_id: str) -> None:
    """The guest may then set another."""
    await servers.clear_password(ctx, server_id)
